"""Warps within a bound."""

import pytest
import torch

from exray.scanners.inversion.warps import Warps

CPU = torch.device("cpu")


def warps(count=2, most=1.5, seed=0, image_size=(9, 8)):
    return Warps(count, most=most, grid=3, image_size=image_size, seed=seed, device=CPU)


def test_candidates_start_from_one_slight_warp():
    (logits,) = warps().parameters
    assert torch.equal(logits[0], logits[1])
    assert 0 < float(logits.abs().max()) < 0.3
    assert not torch.equal(logits, warps(seed=1).parameters[0])


def test_the_hardened_trigger_does_what_was_optimised():
    shape, images = warps(), torch.rand(4, 3, 9, 8)
    shape.parameters[0].normal_()
    rows = [shape.parameters[0][1:]]
    stamped = shape.stamp(shape.prepared(images)[None], rows).images[0]
    torch.testing.assert_close(shape.trigger(rows).apply(images), stamped, atol=1e-5, rtol=0)


def test_no_point_of_the_grid_moves_further_than_the_bound():
    shape = warps(most=1.5, image_size=(9, 9))
    shape.parameters[0].fill_(50.0)
    trigger = shape.trigger([shape.parameters[0][:1]])
    torch.testing.assert_close(trigger.displacement, torch.full((2, 9, 9), 1.5))


@pytest.mark.parametrize(("axis", "shifted"), [(0, (1, 0)), (1, (0, 1))])
def test_a_displacement_along_an_axis_takes_the_next_pixel(axis, shifted):
    shape = warps(1, most=1.0, image_size=(9, 9))
    shape.parameters[0].zero_()
    shape.parameters[0][:, axis] = 50.0
    images = torch.rand(1, 1, 3, 9, 9)
    stamped = shape.stamp(images, shape.parameters).images[..., :8, :8]
    down, right = shifted
    expected = images[..., down : down + 8, right : right + 8]
    torch.testing.assert_close(stamped, expected, atol=1e-5, rtol=0)


def test_every_point_of_the_grid_has_a_gradient():
    shape = warps(1)
    rows = [shape.parameters[0].clone().requires_grad_(True)]
    (shape.stamp(torch.rand(1, 2, 3, 9, 8), rows).images ** 2).sum().backward()
    assert (rows[0].grad != 0).all()
