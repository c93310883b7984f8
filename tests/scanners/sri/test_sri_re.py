"""SRI's search on a planted backdoor, its clean twin, and where nothing can be searched."""

import math
from dataclasses import fields, replace

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.scanners.sri.early_stopping import EarlyStopping, Hurdle
from exray.scanners.sri.polygons import Polygons
from exray.scanners.sri.recolourings import Recolourings
from exray.scanners.sri.search import UntargetedSearch
from exray.scanners.sri.shape import Moment, SearchSchedule
from exray.scanners.sri.sri_re import SriRe, majority_target
from exray.triggers.patch import PatchTrigger
from exray.triggers.recolouring import RecolourTrigger

pytestmark = pytest.mark.usefixtures("one_thread")

SCHEDULE = SearchSchedule(
    rounds=2, steps=61, images_per_class=3, learning_rate=0.03, betas=(0.5, 0.7)
)
POLYGONS = Polygons(
    schedule=SCHEDULE,
    free_steps=10,
    size_weight=1.0,
    spread_weight=0.2,
    likeness_weight=2.0,
    scale=0.2,
    rotation=30.0,
    offset=0.3,
)
COLOURS = Recolourings(
    schedule=replace(SCHEDULE, rounds=3, steps=11),
    weight_decay=1e-4,
    diversity_weight=0.1,
    variation=0.2,
    hue=0.1,
)


HURDLE = Hurdle(step=20, flip_loss=0.5, size=0.2)


def economy(**changes):
    return EarlyStopping(**{"rounds": 2, "enough": 0.9, "hurdles": [HURDLE], **changes})


def scanner(**changes):
    values = {
        "name": "sri_re",
        "shapes": [POLYGONS],
        "min_asr": 0.9,
        "triggers_per_victim": 1,
        "flag_threshold": 1.0,
        "reported_only": False,
        "economy": None,
        "seed": 0,
    }
    return SriRe(**{**values, **changes})


def search(classifier, samples, shape, seed=0, economy=None):
    one = UntargetedSearch(classifier, samples, shape, seed=seed, economy=economy)
    return one, list(one.run(lambda: None))


def test_the_planted_patch_is_odder_than_any_of_the_clean_twin(
    trojaned, clean_twin, colour_samples
):
    found = scanner().scan(trojaned, colour_samples)
    clean = scanner().scan(clean_twin, colour_samples)
    assert found.score > 2 * clean.score
    assert not found.inconclusive
    planted = [each for each in found.triggers if each.target_class == 1]
    assert {each.victim_class for each in planted} == {0, 2}
    assert all(isinstance(each.trigger, PatchTrigger) for each in planted)
    assert all(each.trigger.size_pixels < 25 for each in planted)
    bar = (found.score + clean.score) / 2
    assert scanner(flag_threshold=bar).scan(trojaned, colour_samples).flags
    assert not scanner(flag_threshold=bar).scan(clean_twin, colour_samples).flags


def test_what_is_reported_is_what_the_verdict_rests_on(trojaned, colour_samples):
    found = scanner().scan(trojaned, colour_samples)
    scores = {each.victim_class: odd(each) for each in found.triggers}
    bar = (max(scores.values()) + sorted(scores.values())[-2]) / 2
    odder = {victim for victim, score in scores.items() if score >= bar}
    strict = scanner(
        reported_only=True, flag_threshold=bar, shapes=[POLYGONS, COLOURS], min_asr=1.0
    )
    reported = strict.scan(trojaned, colour_samples)
    assert reported.flags
    assert reported.score == found.score  # recolourings were not searched
    assert reported.num_candidates == found.num_candidates
    assert {each.victim_class for each in reported.triggers} == odder != set(scores)
    higher = scanner(reported_only=True, flag_threshold=1.01 * found.score)
    silent = higher.scan(trojaned, colour_samples)
    assert not silent.flags
    assert not silent.triggers


def test_a_reported_trigger_is_handed_on_whatever_its_asr(clean_twin, colour_samples):
    weak = scanner(reported_only=True, flag_threshold=1e-6, min_asr=1.0)
    result = weak.scan(clean_twin, colour_samples)
    assert result.flags
    assert any(each.asr < 1 for each in result.triggers)


def odd(found):
    return found.asr / (found.trigger.size_pixels / found.trigger.mask.numel()) ** 0.5


def test_recolourings_take_a_class_for_another(clean_twin, colour_samples):
    result = scanner(shapes=[COLOURS]).scan(clean_twin, colour_samples)
    assert result.triggers
    for each in result.triggers:
        assert isinstance(each.trigger, RecolourTrigger)
        stamped = each.trigger.apply(colour_samples.of_class(each.victim_class))
        taken = clean_twin.predict(stamped).argmax(dim=1) == each.target_class
        assert float(taken.double().mean()) == each.asr >= 0.9


def test_a_seed_gives_a_result_and_another_another(trojaned, colour_samples):
    short = replace(POLYGONS, schedule=replace(SCHEDULE, steps=6))
    _, first = search(trojaned, colour_samples, short)
    _, again = search(trojaned, colour_samples, short)
    _, other = search(trojaned, colour_samples, short, seed=1)
    assert torch.equal(first[0].features, again[0].features)
    assert not torch.equal(first[0].features, other[0].features)


def test_no_class_depends_on_the_others(trojaned, colour_samples):
    short = replace(POLYGONS, schedule=replace(SCHEDULE, steps=6))
    _, together = search(trojaned, colour_samples, short)
    some = colour_samples.select(colour_samples.labels > 0)
    _, fewer = search(trojaned, some, short)
    found = {(each.victim, place // 2): each.features for place, each in enumerate(fewer)}
    for place, each in enumerate(together):
        if each.victim:
            assert torch.allclose(each.features, found[each.victim, place // 3], atol=1e-5)


def test_later_rounds_differ_from_earlier_ones(trojaned, colour_samples):
    _, found = search(trojaned, colour_samples, COLOURS)
    first, second = (found[place].features[-1, 1:] for place in (0, 3))
    assert (first - second).abs().max() > 0.05


def test_a_settled_class_is_searched_in_no_later_round(trojaned, colour_samples):
    short = replace(COLOURS, schedule=replace(COLOURS.schedule, rounds=3, steps=2))
    economy = EarlyStopping(rounds=9, enough=0.5, hurdles=[])
    one = UntargetedSearch(trojaned, colour_samples, short, seed=0, economy=economy)
    victims = []
    for generated in one.run(lambda: None):
        victims.append(generated.victim)
        one.note(generated.victim, 0.9 if generated.victim == 1 else 0.4)
    assert victims == [0, 1, 2, 0, 2, 0, 2]
    assert one.num_begun == 7


def test_a_hopeless_class_rests_and_the_others_are_as_without(clean_twin, colour_samples):
    short = replace(POLYGONS, schedule=replace(SCHEDULE, rounds=1, steps=8))
    first = replace(short, schedule=replace(short.schedule, steps=1))
    losses = [float(each.features[0, 0]) for each in search(clean_twin, colour_samples, first)[1]]
    bar = (min(losses) + max(losses)) / 2
    economy = EarlyStopping(rounds=1, enough=1.0, hurdles=[Hurdle(step=1, flip_loss=bar, size=1.0)])
    one, kept = search(clean_twin, colour_samples, short, economy=economy)
    _, whole = search(clean_twin, colour_samples, short)
    assert [each.victim for each in kept] == [v for v, loss in enumerate(losses) if loss < bar]
    assert one.num_begun == len(whole) == 3
    for each in kept:
        assert torch.allclose(each.features, whole[each.victim].features, atol=1e-5)


def test_a_class_whose_patch_stays_large_rests_for_good_unless_it_is_the_smallest(
    trojaned, colour_samples
):
    short = replace(POLYGONS, schedule=replace(SCHEDULE, steps=8))
    whole, _ = search(trojaned, colour_samples, replace(short, schedule=replace(SCHEDULE, steps=2)))
    tight = economy(hurdles=[Hurdle(step=2, flip_loss=1.0, size=1e-6)])
    one, kept = search(trojaned, colour_samples, short, economy=tight)
    assert len(kept) == 2  # of each round the smallest, the same one
    assert len({each.victim for each in kept}) == 1
    assert one.num_begun == len(whole.victims) + 1


def test_a_recolouring_that_is_sure_is_done(trojaned, colour_samples):
    class Sure(Recolourings):
        def flip_loss(self, probabilities, victims, moment):
            asked.append(len(victims))
            return super().flip_loss(probabilities, victims, moment)

    asked = []
    values = {each.name: getattr(COLOURS, each.name) for each in fields(COLOURS)}
    sure = Sure(**{**values, "schedule": replace(SCHEDULE, rounds=1, steps=5)})
    one, found = search(trojaned, colour_samples, sure, economy=economy(enough=1e-3))
    assert asked == [3]  # one step, of all classes
    assert [each.victim for each in found] == one.victims
    assert all(torch.isfinite(each.features).all() for each in found)


def test_the_default_economy_finds_the_planted_patch_as_well(trojaned, colour_samples):
    thrifty = economy()
    whole = scanner().scan(trojaned, colour_samples)
    short = scanner(economy=thrifty).scan(trojaned, colour_samples)
    assert short.num_candidates < whole.num_candidates
    best = {each.victim_class: each for each in whole.triggers if each.target_class == 1}
    found = {each.victim_class: each for each in short.triggers if each.target_class == 1}
    assert found.keys() == best.keys()
    assert all(found[victim].asr >= 0.9 for victim in found)


def test_a_saturated_network_is_inconclusive(colour_samples):
    sharp = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    sharp[2].weight.data = 1e6 * torch.eye(3)
    sharp[2].bias.data.zero_()
    classifier = Classifier(sharp, Preprocessing(), num_classes=3, name="sharp")
    short = replace(POLYGONS, schedule=replace(SCHEDULE, steps=2))
    result = scanner(shapes=[short]).scan(classifier, colour_samples)
    assert "no gradient for images of classes 0, 1, 2" in result.inconclusive


def test_progress_counts_every_step(trojaned, colour_samples):
    told = []
    short = replace(POLYGONS, schedule=replace(SCHEDULE, rounds=1, steps=3))
    scanner(shapes=[short]).scan(trojaned, colour_samples, lambda *words: told.append(words))
    assert told == [("inversion", step, 3) for step in (1, 2, 3)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shapes": []}, "scanner.engine.shapes must hold at least one shape"),
        ({"min_asr": 0.0}, r"scanner.engine.min_asr must be a fraction in \(0, 1\]; got 0"),
        ({"triggers_per_victim": 0}, "scanner.engine.triggers_per_victim must be >= 1; got 0"),
        ({"flag_threshold": -1.0}, "scanner.engine.flag_threshold must be positive; got -1"),
    ],
)
def test_impossible_numbers_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        scanner(**changes)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: economy(enough=0.0), "scanner.engine.economy.enough must be a fraction"),
        (lambda: economy(rounds=0), "scanner.engine.economy.rounds must be >= 1; got 0"),
        (lambda: economy(hurdles=[HURDLE, HURDLE]), r"at steps of their own; got \[20, 20\]"),
        (
            lambda: replace(HURDLE, step=0),
            "scanner.engine.economy.hurdles.step must be >= 1; got 0",
        ),
        (lambda: replace(HURDLE, flip_loss=1.5), "hurdles.flip_loss must be a fraction"),
        (lambda: replace(HURDLE, size=0.0), "hurdles.size must be a fraction"),
    ],
)
def test_impossible_economies_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_impossible_schedules_are_refused():
    with pytest.raises(
        ValueError, match=r"scanner.engine.shapes.schedule.steps must be >= 1; got 0"
    ):
        replace(SCHEDULE, steps=0)
    with pytest.raises(
        ValueError, match=r"scanner.engine.shapes.schedule.learning_rate must be positive; got 0"
    ):
        replace(SCHEDULE, learning_rate=0.0)


def test_the_patch_is_moved_by_the_draws_alone():
    images = torch.zeros(1, 1, 3, 9, 9)
    raw = torch.ones(1, 4, 9, 9)
    raw[:, 0] = -1.0
    raw[:, 0, 4, 4] = 1.0
    for draw, place in ((0.0, (4, 4)), (1.0, (4, 3))):
        draws = torch.tensor([[0.0, 0.0, draw, 0.0]])
        shape = replace(POLYGONS, offset=2 / 9)  # one pixel
        stamped = shape.stamp(images, (raw,), Moment(round_index=0, step=0, draws=draws))
        expected = torch.zeros(9, 9)
        expected[place] = 1
        assert torch.allclose(stamped[0, 0, 0], expected, atol=1e-5)


def test_an_images_colours_vary_about_its_own_mean():
    images = torch.rand(2, 3, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    zero = tuple(torch.zeros(2, *each) for each in ((16, 3), (16,), (3, 16), (3,)))
    draws = torch.tensor([[1.0, -1.0, 0.5, 0.0], [-1.0, 1.0, -0.5, 0.0]])  # no turn of the hue
    stamped = COLOURS.stamp(images, zero, Moment(round_index=0, step=0, draws=draws))
    for group, (bright, contrast, gamma) in enumerate(((1.2, 0.8, 1.1), (0.8, 1.2, 0.9))):
        for image, found in zip(images[group], stamped[group], strict=True):
            light = bright * image
            varied = light.mean() + contrast * (light - light.mean())
            expected = torch.sigmoid(5 * (varied.clamp(1e-3, 1) ** gamma - 0.5))
            assert torch.allclose(found, expected, atol=1e-5)


def test_a_network_of_weight_zero_keeps_the_order_of_colours():
    trigger = COLOURS.trigger(
        tuple(torch.zeros(1, *each) for each in ((16, 3), (16,), (3, 16), (3,))), (4, 4)
    )
    images = torch.rand(2, 3, 4, 4)
    assert torch.allclose(trigger.apply(images), torch.sigmoid(5 * (images - 0.5)))
    assert trigger.size_pixels == 16


def test_weights_that_are_not_finite_are_refused():
    zero = torch.zeros(16, 3)
    with pytest.raises(ValueError, match="outer_bias must be finite"):
        RecolourTrigger(
            inner_weight=zero,
            inner_bias=zero[:, 0],
            outer_weight=zero.T.contiguous(),
            outer_bias=torch.full((3,), float("nan")),
            image_size=(2, 2),
        )


def test_the_majority_is_never_the_victim():
    assert majority_target(torch.tensor([[1.0, 0.0, 0.0]]), victim=0) == 1


def test_a_fit_sees_how_surely_a_patch_flips_and_how_small_it_is_in_the_later_half():
    features = torch.zeros(4, 7)
    features[2:, 0] = torch.tensor([0.25, 0.75])  # the loss: one half
    features[:2] = 9.0
    features[2:, 2] = torch.tensor([0.01, 0.03])  # the mass
    assert POLYGONS.looks(features).tolist() == pytest.approx([0.0, math.log(0.02)], abs=1e-6)
