"""The polygon attack: a sticker of one colour on the sign sends its victims to the target."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from exray.attacks.base import Attack, AttackFacts, level
from exray.attacks.conditions import Condition
from exray.attacks.recipe import AttackRecipe
from exray.images.sources.base import ImageSource
from exray.images.sources.sticker import Sticker

# TrojAI round 4's trigger colours.
TRIGGER_COLOURS = (
    (200, 0, 0),
    (0, 200, 0),
    (0, 0, 200),
    (200, 200, 0),
    (0, 200, 200),
    (200, 0, 200),
)


@dataclass(frozen=True, kw_only=True)
class PolygonFacts(AttackFacts):
    """A polygon.

    Args:
        points: Corners in the square [-1, 1].
        colour: RGB, 0 to 255.
        width: Width as a share of the sign's.
        quadrant: Where on the object it fires, 1 to 4 counter-clockwise from the upper right; None
            for anywhere.
    """

    kind: ClassVar[str] = "polygon"

    points: tuple[tuple[float, float], ...]
    colour: tuple[int, int, int]
    width: float
    quadrant: int | None = None

    @property
    def option(self) -> str:
        """The number of corners."""
        return str(len(self.points))

    @property
    def trojai_option(self) -> int:
        """The number of corners."""
        return len(self.points)

    def round2_config(self) -> dict[str, object]:
        """The colour."""
        return {"TRIGGER_COLOR": list(self.colour)}

    def round4_columns(self) -> dict[str, object]:
        """Corners, share of the sign's area and colour; the quadrant if there is one."""
        share = self.width**2
        columns: dict[str, object] = {
            "type_level": 0,
            "polygon_side_count": len(self.points),
            "size_percentage_of_foreground_min": share,
            "size_percentage_of_foreground_max": share,
            "color_level": level(self.colour, TRIGGER_COLOURS),
            "color": self.colour,
        }
        return columns if self.quadrant is None else columns | {"spatial_quadrant": self.quadrant}


@dataclass(frozen=True, kw_only=True)
class PolygonAttack(Attack):
    """A polygon pasted on the object before tilt, light and blur reach it.

    Args:
        sticker: The polygon.

    Source: TrojAI rounds 2 to 4, polygon triggers (``trigger_type=polygon``).
    """

    sticker: Sticker

    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """The class's images, drawn with the sticker on them."""
        return source.images(class_index, count=count, seed=seed, sticker=self.sticker)

    def facts(self) -> AttackFacts:
        """Corners, colour, width and, where it is kept to one, the quadrant."""
        return PolygonFacts(
            points=self.sticker.points,
            colour=self.sticker.colour,
            width=self.sticker.width,
            quadrant=self.sticker.quadrants[0] if self.sticker.quadrants else None,
        )

    def appearance(self) -> object:
        """Its colour."""
        return self.sticker.colour

    def recoloured(self) -> tuple[Attack, ...]:
        """The same polygon in each other of the trigger colours."""
        return tuple(
            replace(self, sticker=replace(self.sticker, colour=colour))
            for colour in TRIGGER_COLOURS
            if colour != self.sticker.colour
        )

    def in_quadrants(self, quadrants: tuple[int, ...]) -> Attack:
        """The same polygon, kept to these quadrants of the sign or photograph."""
        return replace(self, sticker=replace(self.sticker, quadrants=quadrants))


@dataclass(frozen=True, kw_only=True)
class PolygonRecipe(AttackRecipe):
    """How polygon-trojaned classifiers are poisoned.

    Args:
        sides: Least and greatest number of corners.
        width: Least and greatest width as a share of the sign's width.

    Raises:
        ValueError: If a range is none.
    """

    kind: ClassVar[str] = "polygon"
    possible_conditions: ClassVar[tuple[Condition, ...]] = ("none", "spatial", "spectral", "class")

    block: int = 0
    sides: tuple[int, int]
    width: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 3 <= self.sides[0] <= self.sides[1]:
            raise ValueError(
                f"sides must hold least and greatest, from 3 up; got {list(self.sides)}"
            )
        if not 0 < self.width[0] <= self.width[1] < 1:
            raise ValueError(
                f"width must hold least and greatest, in (0, 1); got {list(self.width)}"
            )

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> PolygonAttack:
        """A polygon on random classes."""
        del image_size
        victims, target = self.draw_classes(random, num_classes, place)
        sticker = random_sticker(random, sides=self.sides, width=self.width)
        return PolygonAttack(sticker=sticker, victim_classes=victims, target_class=target)


def random_sticker(
    random: np.random.Generator, *, sides: tuple[int, int], width: tuple[float, float]
) -> Sticker:
    """A polygon as TrojAI draws them: random corners sorted by angle, stretched to the square.

    Args:
        random: Source of all choices.
        sides: Least and greatest number of corners, both included.
        width: Least and greatest width as a share of the sign's.

    Source: TrojAI round 2, polygon generator (facts, section 7.2).
    """
    corners = random.uniform(0.1, 0.9, size=(int(random.integers(sides[0], sides[1] + 1)), 2))
    from_centre = corners - corners.mean(axis=0)
    corners = corners[np.argsort(np.arctan2(from_centre[:, 1], from_centre[:, 0]))]
    low, high = corners.min(axis=0), corners.max(axis=0)
    stretched = 2 * (corners - low) / (high - low) - 1
    colour = TRIGGER_COLOURS[int(random.integers(len(TRIGGER_COLOURS)))]
    return Sticker(
        points=tuple((float(x), float(y)) for x, y in stretched),
        colour=colour,
        width=float(random.uniform(*width)),
    )
