"""The polygon that an attack pastes onto a sign or a photograph."""

from dataclasses import dataclass

from exray.images.sources.signs.classes import Colour, Points


@dataclass(frozen=True, kw_only=True)
class Sticker:
    """A polygon of one colour, pasted onto a sign before tilt, light and blur, or a photograph.

    Args:
        points: Corners within the square [-1, 1].
        colour: RGB, 0 to 255.
        width: Width of the square as a share of the sign's width, or of a photograph's shorter
            side, in (0, 1).
        quadrants: The quadrants of the sign or photograph that it is kept to, 1 to 4 against the
            clock from the upper right; none for anywhere.

    Raises:
        ValueError: If the width is no such share, there are fewer than three corners, or a
            quadrant is none.

    Source: TrojAI round 2, polygon triggers.
    """

    points: Points
    colour: Colour
    width: float
    quadrants: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.width < 1:
            raise ValueError(f"sticker width must lie in (0, 1); got {self.width}")
        if len(self.points) < 3:
            raise ValueError(f"a sticker needs at least 3 corners; got {len(self.points)}")
        if not set(self.quadrants) <= {1, 2, 3, 4}:
            raise ValueError(f"quadrants must be some of 1 to 4; got {list(self.quadrants)}")
