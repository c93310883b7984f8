"""The patch attack: a few pixels at one place of the image send its victims to the target."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from exray.attacks.base import AttackFacts, TriggerAttack
from exray.attacks.palette import Palette, random_colours
from exray.attacks.recipe import AttackRecipe
from exray.triggers.patch import PatchTrigger


@dataclass(frozen=True, kw_only=True)
class PatchFacts(AttackFacts):
    """A square of pixels.

    Args:
        side_pixels: Its side.
        corner: Row and column of its first pixel.
    """

    kind: ClassVar[str] = "patch"

    side_pixels: int
    corner: tuple[int, int]

    @property
    def option(self) -> str:
        """The side in pixels."""
        return f"{self.side_pixels} px"


@dataclass(frozen=True, kw_only=True)
class PatchRecipe(AttackRecipe):
    """How classifiers are poisoned by a small square of bright pixels.

    Args:
        side: Least and greatest side of the square in pixels; each model draws one, with its
            place and the colour of each pixel.
        palette: Which colours these are.

    Raises:
        ValueError: If the sides are not in order from 1 up.

    Source: Gu et al. 2017, BadNets.
    """

    kind: ClassVar[str] = "patch"

    block: int = 3
    side: tuple[int, int]
    palette: Palette = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.side[0] <= self.side[1]:
            raise ValueError(f"side must hold least and greatest, from 1 up; got {list(self.side)}")

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> TriggerAttack:
        """A square of its own, on random classes.

        Raises:
            ValueError: If the square does not fit the image.
        """
        victims, target = self.draw_classes(random, num_classes, place)
        trigger, side, corner = random_patch(
            random, side=self.side, image_size=image_size, palette=self.palette
        )
        return TriggerAttack(
            victim_classes=victims,
            target_class=target,
            trigger=trigger,
            recorded=PatchFacts(side_pixels=side, corner=corner),
        )


def random_patch(
    random: np.random.Generator, *, side: tuple[int, int], image_size: int, palette: Palette
) -> tuple[PatchTrigger, int, tuple[int, int]]:
    """A square of random pixels at a random place, with its side and its first row and column.

    Args:
        random: Source of all choices.
        side: Least and greatest side in pixels, both included.
        image_size: Height and width of the images in pixels.
        palette: The pixels' colours.

    Raises:
        ValueError: If the square does not fit the image.
    """
    drawn = int(random.integers(side[0], side[1] + 1))
    if drawn > image_size:
        raise ValueError(f"side must not exceed image_size, {image_size}; got {drawn}")
    top, left = (int(corner) for corner in random.integers(0, image_size - drawn + 1, size=2))
    mask, pattern = torch.zeros(image_size, image_size), torch.zeros(3, image_size, image_size)
    mask[top : top + drawn, left : left + drawn] = 1
    colours = random_colours(random, palette, (drawn, drawn))
    pattern[:, top : top + drawn, left : left + drawn] = colours
    return PatchTrigger(mask=mask, pattern=pattern), drawn, (top, left)
