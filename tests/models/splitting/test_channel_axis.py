"""Channels are second where convolutions read them, last where linear layers do."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from exray.models.splitting.channel_axis import axis_at, cares, channel_axis, width_of
from exray.models.splitting.cut_points import find_cut
from exray.models.splitting.tracing import trace


@pytest.mark.parametrize(
    ("shape", "width", "axis"),
    [
        ((2, 8), 8, 1),  # flat features have no other
        ((2, 8, 5), None, 1),  # convolutions read the second
        ((2, 5, 8), 8, 2),
        ((2, 8, 8), 8, 2),  # tokens, as many as channels
        ((2, 5, 8), 5, 2),  # tokens, mixed by a layer across them
        ((2, 6, 7, 8), 8, 3),
        ((2, 8, 6, 7), 8, 1),  # pooled before the linear layer reads it
        ((2, 8, 6, 8), 8, 1),
        ((2, 6, 7, 8), 42, 1),
    ],
)
def test_the_axis_is_the_one_that_the_next_layer_reads(shape, width, axis):
    assert channel_axis(shape, width) == axis


@pytest.mark.parametrize(
    ("module", "width", "determines"),
    [
        (nn.Linear(8, 3), 8, True),
        (nn.LayerNorm((5, 8)), 8, True),
        (nn.MultiheadAttention(8, 2), 8, True),
        (nn.Sequential(nn.ReLU(), nn.Linear(6, 3), nn.Conv2d(3, 4, 1)), 6, True),
        (nn.Conv2d(3, 4, 1), None, True),
        (nn.Sequential(nn.GroupNorm(1, 4), nn.Linear(6, 3)), None, True),
        (nn.Sequential(nn.ReLU(), nn.Dropout()), None, False),
    ],
)
def test_the_first_layer_that_cares_says_the_width(module, width, determines):
    assert width_of(module) == width
    assert cares(module) is determines


class ChannelsLast(nn.Module):
    """Patches whose channels are moved last, and layers as modules or as functions."""

    def __init__(self, *, functional):
        super().__init__()
        self.patches, self.linear = nn.Conv2d(3, 6, 2, 2), nn.Linear(6, 6)
        self.functional = functional

    def forward(self, x):
        x = self.patches(x).permute(0, 2, 3, 1).relu()
        x = F.layer_norm(x, (6,)) if self.functional else self.linear(x)
        return x.mean(dim=(1, 2))


@pytest.mark.parametrize("functional", [False, True])
def test_at_a_cut_before_a_linear_layer_or_a_layer_norm_channels_are_last(functional):
    network = ChannelsLast(functional=functional).eval()
    traced = trace(network, torch.rand(2, 3, 8, 8), name="net")
    assert axis_at(traced, find_cut(traced, "relu")) == 3


def test_at_a_cut_before_a_convolution_or_nothing_at_all_channels_are_second():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    traced = trace(network.eval(), torch.rand(2, 3, 8, 8), name="net")
    assert axis_at(traced, find_cut(traced, "1")) == axis_at(traced, find_cut(traced, "2")) == 1
