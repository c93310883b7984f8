"""Which channels and targets stimulation picks."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.abs.stimulation import (
    StimulationSettings,
    _pair_scores,
    elevations,
    stimulated_pairs,
)

pytestmark = pytest.mark.usefixtures("one_thread")

DETECTOR, TARGET = 3, 1
STIMULATION = StimulationSettings(
    layer="relu", images_per_class=2, levels=(0.0, 0.5, 1.0), targets_per_victim=2
)


def cut(classifier, samples):
    return SplitClassifier(classifier, "relu", example=samples.images[:2])


def candidates(classifier, samples, **changes):
    options = {"images_per_class": 2, "levels": (0.0, 0.5, 1.0), "targets_per_victim": 1, **changes}
    settings = StimulationSettings(layer="relu", **options)
    return stimulated_pairs(cut(classifier, samples), samples, settings)


def test_the_planted_channel_and_target_are_picked_for_every_victim(trojaned, colour_samples):
    picks = {victim: rest for victim, *rest in candidates(trojaned, colour_samples)}
    assert picks[0] == picks[2] == [TARGET, DETECTOR]
    assert picks[1][0] in (0, 2)


def test_without_the_backdoor_the_targets_own_channel_points_to_it(clean_twin, colour_samples):
    for victim, target, channel in candidates(clean_twin, colour_samples, targets_per_victim=2):
        assert victim != target
        assert channel == target


def test_each_victim_gets_as_many_targets_as_asked_for_and_none_twice(trojaned, colour_samples):
    picks = candidates(trojaned, colour_samples, targets_per_victim=2)
    pairs = [(victim, target) for victim, target, _ in picks]
    assert sorted(pairs) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]


def test_classes_without_images_are_neither_victim_nor_target(trojaned, colour_samples):
    samples = colour_samples.select(colour_samples.labels != 0)
    picks = candidates(trojaned, samples, targets_per_victim=5)
    assert {(victim, target) for victim, target, _ in picks} == {(1, 2), (2, 1)}
    assert (2, TARGET, DETECTOR) in picks


def test_elevations_are_those_of_a_slow_loop():
    network = nn.Sequential()
    network.add_module("conv", nn.Conv2d(3, 4, 1))
    network.add_module("relu", nn.ReLU())
    network.add_module("flatten", nn.Flatten())
    network.add_module("linear", nn.Linear(16, 3))
    classifier = Classifier(network, Preprocessing(), num_classes=3, name="net")
    images = torch.rand(2, 3, 2, 2)
    split = SplitClassifier(classifier, "relu", example=images)
    lifts = elevations(split, images, levels=(0.0, 0.5, 1.0))
    features = network.relu(network.conv(images))
    for image in range(2):
        for channel in range(4):
            logits = []
            for level in (0.0, 0.5, 1.0):
                changed = features[image : image + 1].clone()
                changed[0, channel] = level * features.max()
                logits.append(network.linear(changed.flatten(1))[0])
            expected = torch.maximum(logits[1], logits[2]) - logits[0]
            torch.testing.assert_close(lifts[image, channel], expected)


def test_a_channel_points_to_a_class_only_if_all_images_agree():
    fickle = [[10.0, 0.0], [0.0, 10.0]]  # image by class
    steady = [[0.0, 0.5], [0.0, 0.5]]
    lift = torch.tensor([fickle, steady]).transpose(0, 1)
    scores, channels = _pair_scores(lift)
    assert scores[1] == 0.5
    assert channels[1] == 1
    assert scores[0] < 0


@pytest.mark.parametrize("levels", [(0.0,), (0.5, 1.0), ()])
def test_levels_that_do_not_begin_with_zero_are_refused(levels):
    with pytest.raises(ValueError, match="levels must begin with 0 and hold another level"):
        replace(STIMULATION, levels=levels)


@pytest.mark.parametrize("name", ["images_per_class", "targets_per_victim"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be >= 1; got 0"):
        replace(STIMULATION, **{name: 0})
