"""Feature-shift tuning: a new last layer of the old norm, away from the old direction."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.repair.feature_shift import AwayFrom, FeatureShiftTuning

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_planted_backdoor_is_tuned_out_without_its_trigger(
    fine_tuning, trojaned, colour_samples, white_patch, asr_of
):
    plain = replace(fine_tuning, epochs=40, learning_rate=0.03, stamped_share=0.0)
    method = FeatureShiftTuning(fine_tuning=plain, alpha=0.1)
    repaired = method.repaired(trojaned, colour_samples, [white_patch], seed=0)
    assert asr_of(repaired, white_patch, colour_samples) == 0
    assert repaired.accuracy(colour_samples.images, colour_samples.labels) == 1
    old, new = trojaned.network.linear.weight, repaired.network.linear.weight
    assert float(new.norm()) == pytest.approx(float(old.norm()), rel=1e-4)
    assert not torch.equal(old, new)


def test_the_penalty_is_the_share_of_the_old_direction_and_the_norm_is_held():
    layer = nn.Linear(4, 2)
    network = nn.Sequential(layer)
    away = AwayFrom(layer, alpha=3.0)
    assert float(away.penalty(network).detach()) == pytest.approx(3.0)
    norm = float(layer.weight.detach().norm())
    with torch.no_grad():
        layer.weight.mul_(-5)
    away.enforce(network)
    assert float(layer.weight.detach().norm()) == pytest.approx(norm)
    assert float(away.penalty(network).detach()) == pytest.approx(-3.0)


def test_what_cannot_be_tuned_is_refused(fine_tuning, colour_samples, white_patch):
    method = FeatureShiftTuning(fine_tuning=fine_tuning, alpha=0.1)
    network = nn.Sequential(nn.Conv2d(3, 3, 16), nn.Flatten())
    classifier = Classifier(network, Preprocessing(), num_classes=3, name="net")
    with pytest.raises(ValueError, match="ends in a linear layer or a 1 x 1 convolution; use"):
        method.repaired(classifier, colour_samples, [white_patch], seed=0)
    with pytest.raises(ValueError, match="alpha must be >= 0; got -1"):
        FeatureShiftTuning(fine_tuning=fine_tuning, alpha=-1.0)
