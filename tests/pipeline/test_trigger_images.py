"""Images of what a trigger does."""

import pytest
import torch

from exray.pipeline.trigger_images import colour_chart, portrait
from exray.triggers.filter import FilterTrigger, identity_kernel
from exray.triggers.paired import PairedTrigger
from exray.triggers.patch import PatchTrigger
from exray.triggers.recolouring import RecolourTrigger

IMAGES = torch.rand(1, 3, 8, 6)


def test_a_patch_is_drawn_on_gray():
    mask = torch.zeros(8, 6)
    mask[0, 0] = 1
    drawn = portrait(PatchTrigger(mask=mask, pattern=torch.ones(3, 8, 6)), IMAGES)
    assert (drawn[:, 0, 0] == 1).all()
    assert (drawn.flatten(1)[:, 1:] == 0.5).all()


@pytest.mark.parametrize("size", [(8, 6), (7, 6)])
def test_a_filter_is_drawn_as_a_chart_above_what_it_makes_of_it(size):
    kernel = identity_kernel()[:, [1, 2, 0]]  # red takes the green, green the blue, ...
    trigger = FilterTrigger(kernel=kernel, window=3, image_size=size)
    drawn = portrait(trigger, torch.zeros(1, 3, *size))
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
    drawn = portrait(trigger, IMAGES)
    assert (drawn[:, 4:] > 0.99).all()
    assert float(drawn[:, :4].min()) < 0.5


def test_a_trigger_of_stored_pairs_has_no_picture_of_its_own():
    trigger = PairedTrigger(clean=IMAGES, stamped=1 - IMAGES)
    assert portrait(trigger, IMAGES) is None
