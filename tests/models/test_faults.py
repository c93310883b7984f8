"""A network that cannot be scanned is named before anything is inverted."""

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.models.faults import network_fault
from exray.models.outputs import LogOfProbabilities


class Outputs(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, images):
        return self.function(images.mean(dim=(2, 3)))


def fault(function, wrapped=False):
    network = LogOfProbabilities(Outputs(function)) if wrapped else Outputs(function)
    classifier = Classifier(network, Preprocessing(), num_classes=3, name="faulty")
    images = torch.rand(20, 3, 4, 4)
    return network_fault(classifier, images, classifier.predict(images))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x * torch.nan, "NaN or infinity on 20 of 20 clean images; check its weights"),
        (lambda x: x / 0, "the network returns NaN or infinity"),
        (lambda x: nn.functional.dropout(x), "random in eval mode: the same images give other"),
        (lambda x: x + 0.25 * torch.randn_like(x), "random in eval mode"),
        (lambda x: x * 0 + 1000, "constant: all clean images have the same logits"),
        (lambda x: x * 0, "constant: all clean images have the same logits"),
    ],
)
def test_a_fault_is_named(function, said):
    assert said in fault(function)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_sound_network_has_no_fault_at_any_scale(scale):
    assert fault(lambda x: scale * x) == ""
    assert fault(lambda x: scale * x + 100 * scale) == ""


def test_probabilities_of_zero_and_one_are_saturated():
    said = fault(lambda x: (1e6 * x).softmax(dim=1), wrapped=True)
    assert said.startswith("the network's probabilities are all 0 or 1 on ")
    assert fault(lambda x: x.softmax(dim=1), wrapped=True) == ""
