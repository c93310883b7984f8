"""The residual network of the signs zoos."""

import pytest
import torch
from torch import nn

from exray.models.architectures.signs_resnet import SIDE, ResidualBlock, signs_resnet


@pytest.mark.parametrize(
    ("stage", "shape"),
    [("stem", (16, 32, 32)), ("stage1", (16, 32, 32)), ("stage2", (32, 16, 16)),
     ("stage3", (64, 8, 8)), ("conv", (64, 8, 8)), ("linear", (5,))],
)  # fmt: skip
def test_every_stage_has_the_documented_shape(stage, shape):
    network = signs_resnet(5).eval()
    depth = [name for name, _ in network.named_children()].index(stage)
    assert network[: depth + 1](torch.rand(2, 3, SIDE, SIDE)).shape == (2, *shape)


def test_a_block_whose_convolutions_give_nothing_is_its_shortcut():
    features = torch.randn(2, 4, 8, 8)
    same = ResidualBlock(4, 4, stride=1).eval()
    nn.init.zeros_(same.conv.weight)
    assert torch.equal(same(features), features.relu())
    smaller = ResidualBlock(4, 6, stride=2).eval()
    nn.init.zeros_(smaller.conv.weight)
    assert torch.equal(smaller(features), smaller.shortcut(features).relu())
    assert smaller(features).shape == (2, 6, 4, 4)


def test_a_block_adds_its_input_before_the_activation():
    features, block = torch.randn(2, 4, 8, 8), ResidualBlock(4, 4, stride=1).eval()
    changed = block.norm(block.conv(block.first(features)))
    torch.testing.assert_close(block(features), (changed + features).relu())
    assert not torch.allclose(block(features), changed.relu())
