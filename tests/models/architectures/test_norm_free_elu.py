"""The network norm_free_elu."""

import pytest
import torch
from torch import nn

from exray.models.architectures.norm_free_elu import SIDE, norm_free_elu


@pytest.mark.parametrize("side", [28, SIDE, 48])
def test_images_of_several_sizes_give_as_many_logits_as_classes(side):
    assert norm_free_elu(5).eval()(torch.rand(2, 3, side, side)).shape == (2, 5)


def test_it_is_small_and_normalises_nothing():
    network = norm_free_elu(10)
    assert sum(weight.numel() for weight in network.parameters()) < 150_000
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
