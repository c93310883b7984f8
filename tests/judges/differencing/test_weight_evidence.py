"""How the target's weights stand out."""

import math

import pytest
import torch
from torch import nn

from exray.judges.differencing.weight_evidence import weight_evidence
from exray.models.classifier import Classifier, Preprocessing

IMAGES = torch.zeros(1, 1, 2, 2)


def classifier(rows):
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, len(rows)))
    network[1].weight.data = torch.tensor(rows)
    return Classifier(network, Preprocessing(), num_classes=len(rows), name="net")


HEAVY = [[1.0, 0, 0, 0], [0, 1.2, 0, 0], [0, 0, 0.9, 0], [0, 0, 0, 1.1], [1.0, 1, 1, 1]]


def test_the_class_with_the_greatest_weights_stands_out_whatever_the_order():
    first, heavy = weight_evidence(classifier(HEAVY), IMAGES, [0, 4])
    assert heavy["target_weight"] > 5 > 0 > first["target_weight"]
    assert first["heaviest_class"] == heavy["heaviest_class"] > 1
    order = [4, 0, 3, 1, 2]
    again = weight_evidence(classifier([HEAVY[place] for place in order]), IMAGES, [1, 0])
    for one, other in zip((first, heavy), again, strict=True):
        assert other == pytest.approx(one)


def test_of_equal_classes_none_stands_out():
    (equal,) = weight_evidence(classifier(torch.eye(4).tolist()), IMAGES, [2])
    assert equal["target_weight"] == pytest.approx(0, abs=1e-5)
    assert equal["heaviest_class"] == pytest.approx(math.log(0.3))


def test_few_classes_and_other_layers_are_not_measured():
    assert weight_evidence(classifier(HEAVY[:3]), IMAGES, [0, 1]) == [{}, {}]
    network = nn.Sequential(nn.Conv2d(1, 5, 2), nn.Flatten())
    convolved = Classifier(network, Preprocessing(), num_classes=5, name="net")
    assert weight_evidence(convolved, IMAGES, [0]) == [{}]
