"""The polygon attack: a sticker of one colour on the sign sends its victims to the target."""

from dataclasses import dataclass

import numpy as np

from exray.data.sticker import Sticker

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
class PolygonAttack:
    """Which classes a polygon sends where.

    Args:
        sticker: The polygon.
        victim_classes: Classes whose stamped images are to be taken for the target.
        target_class: The class they are to be taken for.

    Raises:
        ValueError: If there is no victim, or the target is among them.

    Source: TrojAI rounds 2 to 4, polygon triggers (``trigger_type=polygon``).
    """

    sticker: Sticker
    victim_classes: tuple[int, ...]
    target_class: int

    def __post_init__(self) -> None:
        if not self.victim_classes or self.target_class in self.victim_classes:
            raise ValueError(
                "victim_classes must name at least one class and not the target "
                f"{self.target_class}; got {list(self.victim_classes)}"
            )


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


def random_polygon_attack(
    random: np.random.Generator,
    *,
    num_classes: int,
    num_victims: int,
    sides: tuple[int, int],
    width: tuple[float, float],
) -> PolygonAttack:
    """A polygon attack on random classes; ``num_victims`` classes go to one other class."""
    if not 1 <= num_victims < num_classes:
        raise ValueError(
            f"num_victims must lie in [1, {num_classes - 1}] for {num_classes} classes; "
            f"got {num_victims}"
        )
    order = [int(index) for index in random.permutation(num_classes)]
    return PolygonAttack(
        sticker=random_sticker(random, sides=sides, width=width),
        victim_classes=tuple(sorted(order[1 : num_victims + 1])),
        target_class=order[0],
    )
