"""The network narrow_nin."""

import pytest
import torch

from exray.models.architectures.narrow_nin import SIDE, narrow_nin


@pytest.mark.parametrize("side", [28, SIDE, 48])
def test_images_of_several_sizes_give_as_many_logits_as_classes(side):
    assert narrow_nin(5).eval()(torch.rand(2, 3, side, side)).shape == (2, 5)


def test_it_is_small():
    assert sum(weight.numel() for weight in narrow_nin(10).parameters()) < 250_000
