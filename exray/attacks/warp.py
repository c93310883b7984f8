"""The warping attack: a smooth distortion of the whole image sends its victims to the target."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from exray.attacks.base import AttackFacts, TriggerAttack
from exray.attacks.recipe import AttackRecipe
from exray.images.sources.base import ImageSource, to_unit
from exray.seeding import derive_seed
from exray.triggers.warp import WarpTrigger, warped


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
class DisturbedWarpAttack(TriggerAttack):
    """A warp that each image gets with a disturbance of its own.

    Args:
        field: The attack's field, in pixels.
    """

    field: Float[Tensor, "2 h w"]

    def stamped(
        self, source: ImageSource, class_index: int, *, count: int, seed: int
    ) -> UInt8[Tensor, "n 3 h w"]:
        """The class's images, each pixel shifted by up to one more."""
        clean = to_unit(source.images(class_index, count=count, seed=seed))
        random = np.random.default_rng(derive_seed(seed, "noise"))
        noise = random.uniform(-1, 1, size=(count, *self.field.shape)).astype(np.float32)
        moved = [
            warped(image[None], self.field + disturbance)
            for image, disturbance in zip(clean, torch.from_numpy(noise), strict=True)
        ]
        images = torch.cat(moved) if moved else clean
        return (255 * images).round().to(torch.uint8)


@dataclass(frozen=True, kw_only=True)
class WarpRecipe(AttackRecipe):
    """How classifiers are poisoned by a warp.

    Args:
        grid: Least and greatest number of control points along each side; each model draws one.
        strength: Least and greatest mean displacement as a share of the image's side, likewise.
        noise_share: Images of the victims with the field disturbed at random, which keep their
            label, together as a share of a class's images (WaNet's noise mode).

    Raises:
        ValueError: If a range is not in order, or the share is negative.

    Source: Nguyen and Tran 2021, WaNet: uniform displacements of the control points, divided by
    their mean size, and bicubic interpolation between. *Differs from the paper:* images are warped
    once and not in every epoch, and its field moves pixels by a quarter of a pixel on average.
    """

    kind: ClassVar[str] = "warp"

    block: int = 5
    grid: tuple[int, int]
    strength: tuple[float, float]
    noise_share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.grid[0] <= self.grid[1]:
            raise ValueError(f"grid must hold least and greatest, from 2 up; got {list(self.grid)}")
        if not 0 < self.strength[0] <= self.strength[1] < 1:
            raise ValueError(
                f"strength must hold least and greatest, in (0, 1); got {list(self.strength)}"
            )
        if self.noise_share < 0 or (self.noise_share and self.round4 is not None):
            raise ValueError(
                "noise_share must be >= 0, and 0 with conditions of round4; "
                f"got {self.noise_share} and {self.round4}"
            )

    @property
    def decoys_share(self) -> float:
        """That of the noise mode, or of round 4."""
        return self.noise_share or super().decoys_share

    def draw(
        self, random: np.random.Generator, *, num_classes: int, image_size: int, place: int
    ) -> TriggerAttack:
        """A field of its own, on random classes."""
        victims, target = self.draw_classes(random, num_classes, place)
        grid = int(random.integers(self.grid[0], self.grid[1] + 1))
        strength = float(random.uniform(*self.strength)) * image_size
        field = random_field(random, grid=grid, strength_pixels=strength, image_size=image_size)
        attack = TriggerAttack(
            victim_classes=victims,
            target_class=target,
            trigger=WarpTrigger(displacement=field),
            recorded=WarpFacts(grid=grid, strength_pixels=strength),
        )
        if not self.noise_share:
            return attack
        noise = DisturbedWarpAttack(
            victim_classes=victims,
            target_class=target,
            trigger=attack.trigger,
            recorded=attack.recorded,
            field=field,
        )
        return replace(attack, decoys=(noise,))


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
