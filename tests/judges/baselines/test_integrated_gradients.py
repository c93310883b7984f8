"""Integrated gradients add up to the logit's change."""

import pytest
import torch

from exray.judges.baselines.distance_rule import DistanceRule
from exray.judges.baselines.integrated_gradients import IntegratedGradientsDistance

pytestmark = pytest.mark.usefixtures("one_thread")


def test_contributions_add_up_to_the_logits_change(shared_relu_split, colour_samples):
    split = shared_relu_split
    features = split.cached_features(colour_samples.images[:4])
    method = IntegratedGradientsDistance(
        layer="", rule=DistanceRule(threshold=1.0), important_share=0.1, steps=64
    )
    contributions = method._attribute(split, features, 2).flatten(1).sum(1)
    change = split.head(features) - split.head(torch.zeros_like(features))
    assert torch.allclose(contributions, change[:, 2], atol=2e-3)


def test_steps_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"steps must be >= 1; got 0"):
        IntegratedGradientsDistance(
            layer="", rule=DistanceRule(threshold=1.0), important_share=0.1, steps=0
        )
