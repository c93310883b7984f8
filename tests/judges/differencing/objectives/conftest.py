"""A pair of sets whose smallest mask is known."""

import pytest
import torch
from torch import nn

from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair


@pytest.fixture
def known_pair():
    """Channel 1 at 1 makes class 1, and channel 3 at 1 takes class 0 away; the rest is noise."""
    features = torch.rand(8, 5)
    features[:4, [1, 3]], features[4:, [1, 3]] = 0.0, 1.0
    head = nn.Linear(5, 2).requires_grad_(False)
    head.weight.zero_()
    head.weight[1, [1, 3]] = 50.0
    head.bias.copy_(torch.tensor([0.0, -50.0 * 1.9]))
    pair = SetPair(
        first=(0, 1, 2, 3), second=(4, 5, 6, 7), first_class=0, second_class=1, one_to_one=False
    )
    return head, FeaturePairs(features, [pair])
