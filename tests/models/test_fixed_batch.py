"""Networks of one batch size, for any number of images."""

import pytest
import torch
from torch import nn

from exray.models.fixed_batch import FixedBatch, filled


class OfFour(nn.Module):
    """Takes multiples of four images, or four alone."""

    def __init__(self, is_strict):
        super().__init__()
        self.is_strict = is_strict
        self.batches = []

    def forward(self, images):
        assert len(images) % 4 == 0
        assert len(images) == 4 or not self.is_strict
        self.batches.append(len(images))
        return 2 * images


@pytest.mark.parametrize("count", [1, 4, 6, 8])
@pytest.mark.parametrize("is_strict", [True, False])
def test_any_number_of_images_gets_its_own_rows(count, is_strict):
    network = OfFour(is_strict)
    images = torch.rand(count, 3)
    fixed = FixedBatch(network, 4, takes_multiples=not is_strict)
    assert torch.equal(fixed(images), 2 * images)
    assert network.batches == ([4] * -(-count // 4) if is_strict else [-(-count // 4) * 4])
    assert torch.equal(fixed.around(nn.Identity())(images), images)


def test_the_gradient_reaches_each_image_once():
    images = torch.rand(3, 2, requires_grad=True)
    FixedBatch(OfFour(is_strict=True), 4)(images).sum().backward()
    assert torch.equal(images.grad, torch.full((3, 2), 2.0))


def test_no_images_are_filled_up_too():
    assert filled(torch.zeros(0, 3, 2, 2), 4).shape == (4, 3, 2, 2)
    assert len(FixedBatch(OfFour(is_strict=True), 4)(torch.zeros(0, 3))) == 0


def test_a_batch_of_none_is_refused():
    with pytest.raises(ValueError, match="batch_size must be >= 1; got 0"):
        FixedBatch(nn.Identity(), 0)
