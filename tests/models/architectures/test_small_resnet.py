"""The network small_resnet."""

import pytest
import torch

from exray.models.architectures.small_resnet import SIDE, small_resnet


@pytest.mark.parametrize("side", [28, SIDE, 48])
def test_images_of_several_sizes_give_as_many_logits_as_classes(side):
    assert small_resnet(5).eval()(torch.rand(2, 3, side, side)).shape == (2, 5)


def test_it_is_small():
    assert sum(weight.numel() for weight in small_resnet(10).parameters()) < 150_000
