"""Logits on one scale: the temperature, and every part of a classifier that must divide by it."""

import math

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.split_classifier import SplitClassifier
from exray.models.temperature import CLEAN_MARGIN, fitted_temperature, is_usable, margins, tempered
from exray.scanners.inversion.fast_logits import FastLogits


class Branching(nn.Module):
    """Cannot be traced."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1)
        self.second = nn.Conv2d(4, 5, 1)

    def forward(self, images):
        features = self.first(images)
        if features.sum() > 1e9:
            features = -features
        return self.second(features).mean(dim=(2, 3))


def test_the_median_image_classified_right_gets_the_clean_margin():
    logits = torch.tensor([[9.0, 1.0], [3.0, 1.0], [1.0, 5.0], [7.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 1])
    is_right = logits.argmax(dim=1) == labels
    temperature = fitted_temperature(logits, labels, is_right)
    assert temperature == 4 / CLEAN_MARGIN
    again = margins(logits / temperature, labels)[is_right]
    assert again.median() == CLEAN_MARGIN


@pytest.mark.parametrize("scale", [0.01, 3.0, 1000.0])
def test_tempered_logits_follow_neither_scale_nor_shift(scale):
    logits = torch.randn(20, 4, dtype=torch.double)
    labels = logits.argmax(dim=1)
    other = scale * logits + 7
    every = torch.ones(20, dtype=torch.bool)
    one, two = (fitted_temperature(values, labels, every) for values in (logits, other))
    assert two == pytest.approx(scale * one)


def test_margins_without_a_scale_give_no_usable_temperature():
    labels = torch.zeros(3, dtype=torch.long)
    every = torch.ones(3, dtype=torch.bool)
    constant = fitted_temperature(torch.ones(3, 2), labels, every)
    unknown = fitted_temperature(torch.full((3, 2), torch.nan), labels, every)
    infinite = fitted_temperature(torch.tensor([[0.0, -torch.inf]] * 3), labels, every)
    none = fitted_temperature(torch.ones(3, 2), labels, ~every)
    assert (constant, infinite) == (0, math.inf)
    assert math.isnan(unknown)
    assert math.isnan(none)
    assert not any(map(is_usable, (constant, unknown, infinite, none, -1.0)))


@pytest.mark.parametrize("temperature", [0.0, -2.0, math.nan, math.inf])
def test_a_temperature_that_is_not_above_zero_is_refused(trojaned, temperature):
    with pytest.raises(ValueError, match="temperature must be above 0 and finite"):
        trojaned.tempered(temperature)


def test_temperatures_multiply_and_the_classifier_itself_stays(trojaned, colour_samples):
    images = colour_samples.images
    plain = trojaned(images)
    other = trojaned.tempered(2.0).tempered(4.0)
    assert (other.temperature, trojaned.temperature) == (8.0, 1.0)
    torch.testing.assert_close(other(images), plain / 8)
    torch.testing.assert_close(other.module(images), plain / 8)
    torch.testing.assert_close(trojaned(images), plain)
    assert other.network is trojaned.network


@pytest.mark.parametrize("network", ["traced", "hooked"])
@pytest.mark.parametrize("layer", ["first", "second_last_conv"])
def test_both_kinds_of_split_give_tempered_logits(network, layer):
    whole = Branching()
    if network == "traced":
        whole = nn.Sequential()
        whole.first, whole.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
        whole.second, whole.flat = nn.Conv2d(4, 5, 4), nn.Flatten()
    classifier = Classifier(whole, Preprocessing(), num_classes=5, name=network)
    images = torch.rand(3, 3, 4, 4)
    logits = classifier(images)
    split = SplitClassifier.of(classifier.tempered(3.0), layer, images)
    torch.testing.assert_close(split.head(split.features(images)), logits / 3)
    plain = SplitClassifier.of(classifier, layer, images)
    torch.testing.assert_close(plain.head(plain.features(images)), logits)


def test_fast_logits_are_tempered():
    network = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 5))
    classifier = Classifier(network, Preprocessing(), num_classes=5, name="small")
    images = torch.rand(3, 3, 4, 4)
    expected = classifier(images) / 0.1
    fast = FastLogits(classifier.tempered(0.1), images)
    torch.testing.assert_close(fast(images), expected)


def test_temperature_one_is_the_head_itself():
    head = nn.Linear(2, 2)
    assert tempered(head, 1.0) is head
