"""Effects of triggers on held-out images, and bounds on success rates."""

import pytest
import torch
from scipy.stats import binomtest

from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.strength import capped
from exray.scanners.portfolio.evidence import described, success_bound
from exray.scanners.portfolio.scene import leads_of
from exray.triggers.patch import PatchTrigger


def white(rows, columns):
    mask = torch.zeros(16, 16)
    mask[rows, columns] = 1
    return PatchTrigger(mask=mask, pattern=torch.ones(3, 16, 16))


def measured_on(scene, trigger, *, victims, target=1):
    candidate = Candidate(victims=victims, target=target)
    return described(trigger, scene, candidate, source="patch", measurements={"before": 2.0})


@pytest.mark.parametrize(("hits", "count"), [(0, 4), (1, 4), (3, 7), (7, 7), (30, 50)])
def test_the_bound_is_clopper_and_pearsons(hits, count):
    test = binomtest(hits, count, alternative="greater")
    interval = test.proportion_ci(confidence_level=0.95, method="exact")
    assert success_bound(hits, count) == pytest.approx(interval.low)


def test_what_a_universal_trigger_does_is_measured(scene_of, planted, coloured):
    scene = scene_of(planted("square"), coloured)
    inverted = measured_on(scene, white(slice(10, 13), slice(2, 5)), victims=(0, 2))
    assert (inverted.asr, inverted.target_class, inverted.source) == (1, 1, "patch")
    assert inverted.target_probability > 0.9
    found = inverted.measurements
    assert (found["universality"], found["num_held_out"], found["before"]) == (1, 8, 2)
    assert found["asr_lower"] == pytest.approx(success_bound(8, 8))
    assert "other_strength" not in found
    assert found["shifted_strength"] < found["strength"] - 3


def test_a_pairs_trigger_says_what_it_does_to_other_classes(scene_of, planted, coloured):
    scene = scene_of(planted("pair"), coloured)
    trigger = white(slice(10, 13), slice(2, 5))
    found = measured_on(scene, trigger, victims=(0,)).measurements
    assert (found["universality"], found["num_held_out"]) == (0.5, 4)
    images = scene.held_out.images[scene.held_out.labels == 2]
    leads = leads_of(scene.classifier.predict(trigger.apply(images)), 1)
    assert found["other_strength"] == pytest.approx(float(capped(leads).mean()), abs=1e-5)
    assert found["other_strength"] < 0 < found["strength"]


def test_the_victim_is_the_class_that_is_moved_furthest(scene_of, planted, coloured):
    scene = scene_of(planted("pair"), coloured)
    trigger = white(slice(10, 13), slice(2, 5))
    for victims in ((0, 2), (2, 0)):
        assert measured_on(scene, trigger, victims=victims).victim_class == 0


def test_a_picture_over_the_whole_image_cannot_be_moved(scene_of, planted, coloured):
    scene = scene_of(planted("picture"), coloured)
    trigger = PatchTrigger(mask=torch.full((16, 16), 0.15), pattern=torch.ones(3, 16, 16))
    assert "shifted_strength" not in measured_on(scene, trigger, victims=(0, 2)).measurements
