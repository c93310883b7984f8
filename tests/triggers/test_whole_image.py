"""Triggers of the whole image are shown by what they make of a colour chart."""

import pytest
import torch

from exray.triggers.filter import FilterTrigger, identity_kernel
from exray.triggers.instagram import InstagramFilter, InstagramTrigger
from exray.triggers.recolouring import RecolourTrigger
from exray.triggers.whole_image import colour_chart

IMAGES = torch.rand(1, 3, 8, 6)


@pytest.mark.parametrize("size", [(8, 6), (7, 6)])
def test_a_filter_is_drawn_as_a_chart_above_what_it_makes_of_it(size):
    kernel = identity_kernel()[:, [1, 2, 0]]  # red takes the green, green the blue, ...
    trigger = FilterTrigger(kernel=kernel, window=3, image_size=size)
    drawn = trigger.portrait(torch.zeros(1, 3, *size))
    half = colour_chart((size[0] // 2, size[1]))
    assert drawn.shape == (3, *size)
    torch.testing.assert_close(drawn[:, : len(half[0])], half)
    torch.testing.assert_close(drawn[:, len(half[0]) :][:, : len(half[0])], half[[1, 2, 0]])


def test_a_recolouring_is_drawn_on_the_chart():
    zero = torch.zeros(16, 3)
    trigger = RecolourTrigger(
        inner_weight=zero,
        inner_bias=zero[:, 0],
        outer_weight=zero.T,
        outer_bias=torch.tensor([9.0, 9.0, 9.0]),
        image_size=(8, 6),
    )
    drawn = trigger.portrait(IMAGES)
    assert (drawn[:, 4:] > 0.99).all()
    assert float(drawn[:, :4].min()) < 0.5


def test_its_size_is_the_image():
    trigger = InstagramTrigger(filter_name=InstagramFilter.LOMO, image_size=(8, 6))
    assert trigger.size_pixels == 48
    assert trigger.input_size == (8, 6)
