"""Occlusion is what the logit loses with the neuron."""

import pytest
import torch

from exray.judges.baselines.distance_rule import DistanceRule
from exray.judges.baselines.occlusion import OcclusionDistance

pytestmark = pytest.mark.usefixtures("one_thread")


def judge():
    rule = DistanceRule(threshold=0.3)
    return OcclusionDistance(layer="relu", rule=rule, important_share=0.25)


def test_importance_is_the_logits_fall_without_the_neuron(shared_relu_split, colour_samples):
    split = shared_relu_split
    features = split.cached_features(colour_samples.images[:4])
    attributions = judge()._attribute(split, features, 0).sum(dim=(2, 3))
    for channel in range(features.shape[1]):
        without = features.clone()
        without[:, channel] = 0
        fall = split.head(features)[:, 0] - split.head(without)[:, 0]
        assert torch.allclose(attributions[:, channel], fall, atol=1e-5)
