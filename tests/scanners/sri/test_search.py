"""SRI's search: seeds, independent classes, rounds that differ, and early stopping."""

from dataclasses import fields, replace

import pytest
import torch

from exray.scanners.sri.early_stopping import EarlyStopping, Hurdle
from exray.scanners.sri.recolourings import Recolourings
from exray.scanners.sri.search import UntargetedSearch

pytestmark = pytest.mark.usefixtures("one_thread")


def stopping(**changes):
    hurdle = Hurdle(step=20, flip_loss=0.5, size=0.2)
    values = {"rounds": 2, "sufficient_probability": 0.9, "hurdles": [hurdle]}
    return EarlyStopping(**{**values, **changes})


def search(classifier, samples, shape, seed=0, early_stopping=None):
    one = UntargetedSearch(classifier, samples, shape, seed=seed, early_stopping=early_stopping)
    return one, list(one.run(lambda: None))


def test_a_seed_gives_a_result_and_another_another(trojaned, colour_samples, polygons, shortened):
    short = shortened(polygons, steps=6)
    first, again, other = (
        search(trojaned, colour_samples, short, seed=seed)[1][0].trigger.pattern
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_class_depends_on_the_others(trojaned, colour_samples, polygons, shortened):
    short = shortened(polygons, steps=6)
    _, together = search(trojaned, colour_samples, short)
    _, fewer = search(trojaned, colour_samples.select(colour_samples.labels > 0), short)
    patterns = {
        (generated.victim, place // 2): generated.trigger.pattern
        for place, generated in enumerate(fewer)
    }
    for place, generated in enumerate(together):
        if generated.victim:
            alone = patterns[generated.victim, place // 3]
            assert torch.allclose(generated.trigger.pattern, alone, atol=1e-5)


def test_later_rounds_differ_from_earlier_ones(trojaned, colour_samples, recolourings):
    _, generated = search(trojaned, colour_samples, recolourings)
    first, second = (generated[place].trigger.inner_weight for place in (0, 3))
    assert (first - second).abs().max() > 0.05


def test_a_decided_class_is_not_searched_in_later_rounds(
    trojaned, colour_samples, recolourings, shortened
):
    early = EarlyStopping(rounds=9, sufficient_probability=0.5, hurdles=[])
    short = shortened(recolourings, rounds=3, steps=2)
    one = UntargetedSearch(trojaned, colour_samples, short, seed=0, early_stopping=early)
    victims = []
    for generated in one.run(lambda: None):
        victims.append(generated.victim)
        one.record_success(generated.victim, 0.9 if generated.victim == 1 else 0.4)
    assert victims == [0, 1, 2, 0, 2, 0, 2]
    assert one.num_searches == 7


def test_an_unpromising_class_pauses_and_the_others_are_as_without(
    clean_twin, colour_samples, polygons, shortened
):
    class Watched(type(polygons)):
        def flip_loss(self, probabilities, victims, moment):
            loss = super().flip_loss(probabilities, victims, moment)
            losses.append(loss.detach())
            return loss

    losses = []
    values = {field.name: getattr(polygons, field.name) for field in fields(polygons)}
    search(clean_twin, colour_samples, shortened(Watched(**values), rounds=1, steps=1))
    (first,) = losses
    bar = float(first.min() + first.max()) / 2
    hurdle = Hurdle(step=1, flip_loss=bar, size=1.0)
    early = EarlyStopping(rounds=1, sufficient_probability=1.0, hurdles=[hurdle])
    short = shortened(polygons, rounds=1, steps=8)
    one, remaining = search(clean_twin, colour_samples, short, early_stopping=early)
    _, whole = search(clean_twin, colour_samples, short)
    assert [g.victim for g in remaining] == [v for v, loss in enumerate(first) if loss < bar]
    assert one.num_searches == len(whole) == 3
    for generated in remaining:
        alike = whole[generated.victim].trigger.pattern
        assert torch.allclose(generated.trigger.pattern, alike, atol=1e-5)


def test_a_class_whose_patch_stays_large_is_given_up_unless_it_is_the_smallest(
    trojaned, colour_samples, polygons, shortened
):
    whole, _ = search(trojaned, colour_samples, shortened(polygons, steps=2))
    tight = stopping(hurdles=[Hurdle(step=2, flip_loss=1.0, size=1e-6)])
    short = shortened(polygons, steps=8)
    one, remaining = search(trojaned, colour_samples, short, early_stopping=tight)
    assert len(remaining) == 2  # of each round the smallest, the same one
    assert len({generated.victim for generated in remaining}) == 1
    assert one.num_searches == len(whole.victims) + 1


def test_a_recolouring_that_reached_the_probability_is_done(trojaned, colour_samples, recolourings):
    class Watched(Recolourings):
        def flip_loss(self, probabilities, victims, moment):
            group_sizes.append(len(victims))
            return super().flip_loss(probabilities, victims, moment)

    group_sizes = []
    values = {field.name: getattr(recolourings, field.name) for field in fields(recolourings)}
    schedule = replace(recolourings.schedule, rounds=1, steps=5)
    watched = Watched(**{**values, "schedule": schedule})
    early = stopping(sufficient_probability=1e-3)
    one, generated = search(trojaned, colour_samples, watched, early_stopping=early)
    assert group_sizes == [3]  # one step, of all classes
    assert [trigger.victim for trigger in generated] == one.victims
    assert all(torch.isfinite(g.trigger.inner_weight).all() for g in generated)
