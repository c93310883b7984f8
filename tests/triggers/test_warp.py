"""Pixels moved along a field."""

import pytest
import torch

from exray.triggers.serialization import from_storage, to_storage
from exray.triggers.warp import WarpTrigger, warped

IMAGES = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))


def field(rows, columns, height=6, width=5):
    return torch.tensor([rows, columns]).view(2, 1, 1).expand(2, height, width).clone()


def test_no_displacement_changes_nothing():
    torch.testing.assert_close(warped(IMAGES, field(0.0, 0.0)), IMAGES)


def test_whole_displacements_are_shifts_and_the_rim_goes_on():
    moved = warped(IMAGES, field(2.0, -1.0))
    torch.testing.assert_close(moved[:, :, :4, 1:], IMAGES[:, :, 2:, :-1])
    torch.testing.assert_close(moved[:, :, 4:, 1:], IMAGES[:, :, -1:, :-1].expand(-1, -1, 2, -1))


def test_half_a_pixel_is_the_mean_of_two_neighbours():
    moved = warped(IMAGES, field(0.0, 0.5))
    torch.testing.assert_close(moved[..., :-1], (IMAGES[..., :-1] + IMAGES[..., 1:]) / 2)


def test_pixels_that_stay_do_not_count_and_a_file_keeps_the_field():
    displacement = field(0.0, 0.0)
    displacement[1, 0, :3] = 1.0
    trigger = WarpTrigger(displacement=displacement)
    assert (trigger.size_pixels, trigger.input_size) == (3, (6, 5))
    again = from_storage(*to_storage(trigger), device=torch.device("cpu"))
    assert torch.equal(again.displacement, displacement)


def test_its_portrait_is_a_chessboard():
    still = WarpTrigger(displacement=field(0.0, 0.0, 8, 8))
    drawn = still.portrait(torch.zeros(1, 3, 8, 8))
    assert drawn[0, ::4, ::4].tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_a_displacement_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"^displacement must be finite"):
        WarpTrigger(displacement=field(float("inf"), 0.0))
