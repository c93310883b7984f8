"""The pre-screen keeps the targets that clean images point to, and leaves no victim out."""

import pytest
import torch
from torch import nn

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier, Preprocessing
from exray.scanners.inversion.prescreen import (
    PrescreenSettings,
    likely_pairs,
    likely_universal_targets,
)

RUNNERS_UP = {0: 1, 1: 2, 2: 1, 3: 2}  # of each class' images


def settings(share=0.0, targets=2):
    return PrescreenSettings(share=share, targets_per_victim=targets)


class RunnerUp(nn.Module):
    """Reads class and runner-up from the first pixel: 2 for the class, 1 for the runner-up."""

    def forward(self, images):
        own = (images[:, 0, 0, 0] * 10).round().long()
        second = (images[:, 1, 0, 0] * 10).round().long()
        one_hot = nn.functional.one_hot
        return 2.0 * one_hot(own, 4) + one_hot(second, 4)


@pytest.fixture
def scan_input():
    """Four classes of five images; class 3's last image has another runner-up."""
    labels = torch.arange(4).repeat_interleave(5)
    images = torch.zeros(20, 3, 2, 2)
    images[:, 0] = labels[:, None, None] / 10
    seconds = torch.tensor([RUNNERS_UP[label] for label in labels.tolist()])
    seconds[-1] = 0
    images[:, 1] = seconds[:, None, None] / 10
    samples = SampleSet(images=images, labels=labels, class_names=("a", "b", "c", "d"))
    return Classifier(RunnerUp(), Preprocessing(), num_classes=4, name="runner-up"), samples


def test_the_runner_up_of_enough_images_is_the_only_target(scan_input):
    assert likely_pairs(*scan_input, settings(share=0.8)) == [(0, 1), (1, 2), (2, 1), (3, 2)]


def test_a_victim_without_a_runner_up_of_enough_images_keeps_the_likeliest(scan_input):
    pairs = likely_pairs(*scan_input, settings(share=0.9))
    assert [pair for pair in pairs if pair[0] == 3] == [(3, 2), (3, 0)]


def test_the_likeliest_targets_come_first_whatever_their_share(scan_input):
    pairs = likely_pairs(*scan_input, settings(share=0.0, targets=2))
    assert len(pairs) == 8
    assert [pair for pair in pairs if pair[0] == 3] == [(3, 2), (3, 0)]


def test_a_universal_target_is_every_other_class_runner_up(scan_input):
    classifier, samples = scan_input
    assert likely_universal_targets(classifier, samples, share=0.95) == []
    without = samples.select(samples.labels != 3)  # now 1 is 0's and 2's
    assert likely_universal_targets(classifier, without, share=0.95) == [1]


def test_classes_without_images_are_neither_victim_nor_target(trojaned, colour_samples):
    samples = colour_samples.select(colour_samples.labels != 0)
    assert sorted(likely_pairs(trojaned, samples, settings())) == [(1, 2), (2, 1)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 1.5}, r"share must be a fraction in \[0, 1\]; got 1.5"),
        ({"targets": 0}, "targets_per_victim must be >= 1; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)
