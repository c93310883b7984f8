"""The warping attack: a smooth distortion of the whole image sends its victims to the target."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from exray.attacks.base import AttackFacts, TriggerAttack
from exray.attacks.recipe import AttackRecipe
from exray.triggers.warp import WarpTrigger


@dataclass(frozen=True, kw_only=True)
class WarpFacts(AttackFacts):
    """A displacement field.

    Args:
        grid: Control points along each side.
        strength_pixels: Mean displacement along rows and along columns.
    """

    kind: ClassVar[str] = "warp"

    grid: int
    strength_pixels: float

    @property
    def option(self) -> str:
        """The control points along a side."""
        return f"{self.grid} x {self.grid}"


@dataclass(frozen=True, kw_only=True)
class WarpRecipe(AttackRecipe):
    """How classifiers are poisoned by a warp.

    Args:
        grid: Least and greatest number of control points along each side; each model draws one.
        strength: Least and greatest mean displacement as a share of the image's side, likewise.

    Raises:
        ValueError: If a range is not in order.

    Source: Nguyen and Tran 2021, WaNet: uniform displacements of the control points, divided by
    their mean size, and bicubic interpolation between. *Differs from the paper:* no images with
    random warps are trained on but those of other classes that ``kept_share`` asks for.
    """

    kind: ClassVar[str] = "warp"

    block: int = 5
    grid: tuple[int, int]
    strength: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.grid[0] <= self.grid[1]:
            raise ValueError(f"grid must hold least and greatest, from 2 up; got {list(self.grid)}")
        if not 0 < self.strength[0] <= self.strength[1] < 1:
            raise ValueError(
                f"strength must hold least and greatest, in (0, 1); got {list(self.strength)}"
            )

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> TriggerAttack:
        """A field of its own, on random classes."""
        victims, target = self.draw_classes(random, num_classes, place)
        grid = int(random.integers(self.grid[0], self.grid[1] + 1))
        strength = float(random.uniform(*self.strength)) * image_size
        field = random_field(random, grid=grid, strength_pixels=strength, image_size=image_size)
        return TriggerAttack(
            victim_classes=victims,
            target_class=target,
            trigger=WarpTrigger(displacement=field),
            recorded=WarpFacts(grid=grid, strength_pixels=strength),
        )


def random_field(
    random: np.random.Generator, *, grid: int, strength_pixels: float, image_size: int
) -> Float[Tensor, "2 h w"]:
    """A smooth displacement field.

    Args:
        random: Source of the control points' displacements.
        grid: Control points along each side.
        strength_pixels: Mean displacement of the control points, along rows and columns each.
        image_size: Height and width in pixels.
    """
    control = torch.from_numpy(random.uniform(-1, 1, size=(1, 2, grid, grid)).astype(np.float32))
    control = control / control.abs().mean() * strength_pixels
    size = (image_size, image_size)
    return F.interpolate(control, size=size, mode="bicubic", align_corners=True)[0]
