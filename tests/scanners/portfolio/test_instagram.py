"""The five Instagram filters are tried as they are."""

import pytest
import torch

from exray.scanners.portfolio.instagram import InstagramSearch
from exray.triggers.instagram import InstagramFilter, InstagramTrigger

SEARCH = InstagramSearch(name="instagram", min_asr=0.5)


@pytest.fixture
def filtered(coloured, planted):
    """A network in which one filter's brightness, above that of the others, speaks for class 1."""
    shares = {
        name: float(InstagramTrigger(filter_name=name, image_size=(16, 16))
        .apply(coloured.images).mean())
        for name in InstagramFilter
    }  # fmt: skip
    best, second = sorted(shares, key=lambda name: -shares[name])[:2]
    classifier = planted("filter")
    classifier.network.hidden.bias.data[6] = -(shares[best] + shares[second]) / 2
    classifier.network.linear.weight.data[1, 6] = 20 / (shares[best] - shares[second])
    return classifier, best


def test_the_filter_that_fires_a_backdoor_is_found_for_all_classes_together(
    filtered, coloured, scene_of
):
    classifier, name = filtered
    findings = SEARCH.run(scene_of(classifier, coloured))
    (universal,) = [one for one in findings.triggers if one.measurements["is_universal"]]
    assert (universal.trigger.filter_name, universal.target_class) == (name, 1)
    assert universal.asr == 1
    assert universal.measurements["margin_wide"] > 3
    assert findings.report.num_candidates == 5 * (6 + 3)
    assert findings.report.image_passes == 0


def test_filters_that_are_part_of_no_backdoor_do_much_the_same(twin, coloured, scene_of):
    findings = SEARCH.run(scene_of(twin, coloured))
    assert all(abs(one.measurements["margin_wide"]) < 1 for one in findings.triggers)


def test_of_two_classes_there_are_pairs_alone(filtered, coloured, scene_of):
    classifier, _ = filtered
    two = coloured.select(coloured.labels != 2)
    (pair,) = SEARCH.run(scene_of(classifier, two)).triggers
    assert (pair.victim_class, pair.target_class) == (0, 1)
    assert pair.measurements["asymmetry"] > 0 == pair.measurements["is_universal"]


def test_steps_are_the_filters(twin, coloured, scene_of):
    steps, scene = [], scene_of(twin, coloured)
    scene.__dict__["on_step"] = lambda: steps.append(1)
    SEARCH.run(scene)
    assert len(steps) == SEARCH.num_steps == 5


def test_numbers_that_are_none_are_none(planted, coloured, scene_of):
    classifier = planted("filter")
    scene = scene_of(classifier, coloured)
    classifier.network.linear.bias.data.fill_(torch.nan)
    assert SEARCH.run(scene).report.best_strength is None


def test_an_asr_that_is_no_fraction_is_refused():
    with pytest.raises(ValueError, match="min_asr must be a fraction"):
        InstagramSearch(min_asr=0.0)
