"""The patch attack: a few pixels at one place of the image send its victims to the target."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from exray.attacks.base import AttackFacts, TriggerAttack
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

    Raises:
        ValueError: If the sides are not in order from 1 up.

    Source: Gu et al. 2017, BadNets.
    """

    kind: ClassVar[str] = "patch"

    block: int = 3
    side: tuple[int, int]

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
        side = int(random.integers(self.side[0], self.side[1] + 1))
        if side > image_size:
            raise ValueError(f"side must not exceed image_size, {image_size}; got {side}")
        top, left = (int(corner) for corner in random.integers(0, image_size - side + 1, size=2))
        mask, pattern = torch.zeros(image_size, image_size), torch.zeros(3, image_size, image_size)
        mask[top : top + side, left : left + side] = 1
        colours = random.integers(0, 2, size=(3, side, side)).astype(np.float32)
        pattern[:, top : top + side, left : left + side] = torch.from_numpy(colours)
        return TriggerAttack(
            victim_classes=victims,
            target_class=target,
            trigger=PatchTrigger(mask=mask, pattern=pattern),
            recorded=PatchFacts(side_pixels=side, corner=(top, left)),
        )
