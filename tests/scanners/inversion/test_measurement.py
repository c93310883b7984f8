"""A hardened trigger's success, on images by hand."""

from dataclasses import replace

import pytest
import torch

from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.measurement import by_success, measure, most_flipped

pytestmark = pytest.mark.usefixtures("one_thread")


def test_success_is_that_of_the_classifiers_answers(
    trojaned, clean_twin, colour_samples, white_patch
):
    images = colour_samples.of_class(0)
    quality = measure(trojaned, white_patch.trigger, images, 1)
    chances = trojaned.predict(white_patch.trigger.apply(images)).softmax(dim=1)[:, 1]
    assert quality.asr == 1
    assert quality.probability == pytest.approx(float(chances.mean()), rel=1e-5)
    assert measure(clean_twin, white_patch.trigger, images, 1).asr == 0
    assert measure(trojaned, white_patch.trigger, images, 2).asr == 0


def test_a_universal_trigger_is_recorded_with_the_victim_that_it_flips_most(
    trojaned, colour_samples, white_patch
):
    images = colour_samples.images.clone()
    images[:5] = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)  # so red that a small patch fails
    mask = torch.zeros_like(white_patch.trigger.mask)
    mask[:2, :4] = 1
    samples, weak = replace(colour_samples, images=images), replace(white_patch.trigger, mask=mask)
    for victims in ((0, 2), (2, 0)):
        candidate = Candidate(victims=victims, target=1)
        trigger = most_flipped(weak, candidate, trojaned, samples, source="test")
        assert (trigger.victim_class, trigger.target_class, trigger.asr) == (2, 1, 1.0)
        assert trigger.source == "test"
    red = replace(candidate, victims=(0,))
    alone = most_flipped(weak, red, trojaned, samples, source="test")
    assert alone.asr == pytest.approx(1 / 6)


def test_triggers_are_sorted_by_success_and_then_by_probability(white_patch):
    weak, unsure, sure = (
        replace(white_patch, asr=asr, target_probability=probability)
        for asr, probability in ((0.9, 1.0), (1.0, 0.6), (1.0, 0.7))
    )
    assert by_success([weak, unsure, sure]) == (sure, unsure, weak)
