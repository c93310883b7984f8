"""Squares stay where they are put; their patterns alone have gradients."""

import pytest
import torch

from exray.scanners.inversion.square_patches import SquarePatches


@pytest.fixture
def shape():
    return SquarePatches(2, image_size=(8, 10), side=3, device=torch.device("cpu"))


def stamped(shape, images):
    leaves = [value.clone().requires_grad_(True) for value in shape.parameters]
    prepared = shape.prepared(images)[None].repeat(2, 1, 1, 1, 1)
    return leaves, shape.stamp(prepared, leaves)


def test_images_change_within_the_square_alone(shape):
    shape.put(0, slice(4, 5), slice(6, 7), (1.0, 0.0, 0.0))
    images = torch.rand(2, 3, 8, 10)
    _, result = stamped(shape, images)
    changed = (result.images[0] != images).any(dim=1).any(dim=0)
    assert changed[3:6, 5:8].all()
    assert changed.sum() == 9
    assert result.measure.tolist() == result.counted.tolist() == [9, 9]


def test_masks_get_no_gradient_and_patterns_one_within(shape):
    leaves, result = stamped(shape, torch.rand(2, 3, 8, 10))
    masks, logits = torch.autograd.grad(result.images.square().sum(), leaves)
    assert not masks.any()
    assert logits[0, :, :3, :3].all()
    assert not logits[0, :, 3:].any()


def test_a_square_at_the_edge_stays_whole(shape):
    shape.put(1, slice(7, 8), slice(9, 10), (0.0, 0.0, 0.0))
    trigger = shape.trigger([value[1:] for value in shape.parameters])
    assert trigger.mask[5:, 7:].sum() == trigger.size_pixels == 9
    assert trigger.pattern[:, 7, 9].max() < 0.1


def test_smaller_squares_lie_within_at_both_ends_and_between(shape):
    masks = shape.within(0, 1)
    places = {tuple(mask[0].nonzero()[0].tolist()) for mask in masks}
    assert places == {(i, j) for i in range(3) for j in range(3)}
    shape.shrink(0, masks[4])
    assert shape.trigger([value[:1] for value in shape.parameters]).mask[1, 1] == 1
    tries = shape.row(0, masks)
    assert [len(value) for value in tries] == [9, 9]
