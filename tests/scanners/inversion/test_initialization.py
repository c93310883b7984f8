"""Coloured squares: the best start of every target, by the lead it gives."""

from dataclasses import replace

import pytest
import torch

from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.inversion import initialization as probe
from exray.scanners.inversion.initialization import ProbeSettings, ranked_starts

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = ProbeSettings(images=3, finalists=4, targets_per_victim=2)


def starts(classifier, samples, targets=(1, 2), settings=SETTINGS):
    split = SplitClassifier(classifier, "relu", example=samples.images[:2])
    images = samples.of_class(0)
    ranked = ranked_starts(split, images, targets, side=4, settings=settings, count=1)
    return [first for first, *_ in ranked]


def test_the_bright_square_starts_the_planted_trigger(trojaned, colour_samples):
    planted, other = starts(trojaned, colour_samples)
    assert min(planted.colour) == 0.98
    assert planted.lead > other.lead


def test_the_lead_is_that_of_the_stamped_images(trojaned, colour_samples):
    first, *_ = starts(trojaned, colour_samples)
    images = colour_samples.of_class(0)[:3].clone()
    rows, columns = slice(first.top, first.top + 4), slice(first.left, first.left + 4)
    images[:, :, rows, columns] = torch.tensor(first.colour).view(3, 1, 1)
    logits = trojaned.predict(images)
    lead = (logits[:, 1] - logits[:, [0, 2]].amax(dim=1)).mean()
    assert first.lead == pytest.approx(float(lead), abs=1e-4)


def test_few_finalists_find_what_all_squares_on_all_images_find(trojaned, colour_samples):
    every = replace(SETTINGS, finalists=243)
    for few, all_of_them in zip(
        starts(trojaned, colour_samples),
        starts(trojaned, colour_samples, settings=every),
        strict=True,
    ):
        assert few.lead == pytest.approx(all_of_them.lead, abs=0.2)


def test_squares_stay_inside_the_image():
    for square in probe._squares(16, 16, 4):
        assert 0 <= square.top <= 12
        assert 0 <= square.left <= 12


@pytest.mark.parametrize("name", ["images", "finalists", "targets_per_victim"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be >= 1; got 0"):
        replace(SETTINGS, **{name: 0})
