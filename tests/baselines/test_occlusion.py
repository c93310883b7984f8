"""Occlusion on a linear head, where contributions are known, and on the planted backdoor."""

import pytest
import torch

from exray.baselines.distance_rule import DistanceRule
from exray.baselines.neuron_distance import importance
from exray.baselines.occlusion import OcclusionDistance

pytestmark = pytest.mark.usefixtures("one_thread")


def judge(share=0.25):
    rule = DistanceRule(threshold=0.3)
    return OcclusionDistance(layer="relu", rule=rule, important_share=share)


def test_on_a_linear_head_the_attribution_is_weight_times_activation(
    linear_split, colour_samples, contribution
):
    features = linear_split.cached_features(colour_samples.of_class(1))
    found = judge()._attribute(linear_split, features, 1)
    assert torch.allclose(found.sum(dim=(2, 3)), contribution(features, 1), atol=1e-4)
    assert torch.allclose(importance(found), contribution(features, 1).abs().mean(0), atol=1e-4)


def test_the_planted_trigger_is_injected_and_the_natural_one_natural(
    trojaned, colour_samples, white_patch, green_tint
):
    injected, natural = judge().judge(trojaned, colour_samples, [white_patch, green_tint])
    assert injected.is_injected
    assert not natural.is_injected
    assert natural.measurements["num_neurons"] == 1  # green, important in both
    assert "important by occlusion" in injected.reason


def test_the_network_is_left_as_it_was(trojaned, colour_samples, white_patch):
    before = {name: value.clone() for name, value in trojaned.network.state_dict().items()}
    judge().judge(trojaned, colour_samples, [white_patch])
    after = trojaned.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(module._forward_hooks for module in trojaned.network.modules())


def test_a_share_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"judge.important_share must lie in \(0, 1\]; got 0"):
        judge(0.0)


def test_importance_is_the_logits_fall_without_the_neuron(shared_relu_split, colour_samples):
    split = shared_relu_split
    features = split.cached_features(colour_samples.images[:4])
    found = judge()._attribute(split, features, 0).sum(dim=(2, 3))
    for channel in range(features.shape[1]):
        without = features.clone()
        without[:, channel] = 0
        fall = split.head(features)[:, 0] - split.head(without)[:, 0]
        assert torch.allclose(found[:, channel], fall, atol=1e-5)
