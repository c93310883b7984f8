"""Stickers that cannot be are refused."""

import pytest

from exray.images.sources.sticker import Sticker

SQUARE = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


def sticker(**changes):
    return Sticker(**{"points": SQUARE, "colour": (200, 0, 200), "width": 0.25, **changes})


@pytest.mark.parametrize("width", [0.0, 1.0, -0.5])
def test_a_sticker_width_that_is_no_share_is_refused(width):
    with pytest.raises(ValueError, match=rf"sticker width must lie in \(0, 1\); got {width}"):
        sticker(width=width)


def test_a_sticker_of_two_corners_is_refused():
    with pytest.raises(ValueError, match="at least 3 corners; got 2"):
        sticker(points=SQUARE[:2])


@pytest.mark.parametrize("quadrants", [(0,), (5,), (1, 2, 3, 4, -1)])
def test_a_quadrant_that_is_none_is_refused(quadrants):
    with pytest.raises(ValueError, match=r"quadrants must be some of 1 to 4; got \["):
        sticker(quadrants=quadrants)
    assert sticker(quadrants=(4, 1)).quadrants == (4, 1)
