"""The patch of SRI's search moves with the random draws."""

from dataclasses import replace

import torch

from exray.scanners.sri.shape import Moment


def test_the_patch_is_moved_by_the_draws_alone(polygons):
    images = torch.zeros(1, 1, 3, 9, 9)
    raw = torch.ones(1, 4, 9, 9)
    raw[:, 0] = -1.0
    raw[:, 0, 4, 4] = 1.0
    for draw, place in ((0.0, (4, 4)), (1.0, (4, 3))):
        draws = torch.tensor([[0.0, 0.0, draw, 0.0]])
        shape = replace(polygons, offset=2 / 9)  # one pixel
        stamped = shape.stamp(images, (raw,), Moment(round_index=0, step=0, draws=draws))
        expected = torch.zeros(9, 9)
        expected[place] = 1
        assert torch.allclose(stamped[0, 0, 0], expected, atol=1e-5)
