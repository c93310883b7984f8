"""Faint pictures over the whole image."""

from dataclasses import dataclass

import torch

from exray.scanners.inversion.pictures import Pictures
from exray.scanners.portfolio.kinds.base import TriggerKind
from exray.scanners.validation import require_count, require_fraction


@dataclass(frozen=True, kw_only=True)
class PictureKind(TriggerKind):
    """A picture blended in at one opacity.

    Args:
        opacity: Share of the picture in the image, a fraction above 0.1, from which pixels count
            as changed.
        grid: Side of the picture in cells, before it is enlarged to the image.

    Raises:
        ValueError: If the opacity is no such fraction or the grid is below 1.
    """

    opacity: float
    grid: int

    def __post_init__(self) -> None:
        require_fraction("opacity", self.opacity)
        if self.opacity <= 0.1:
            raise ValueError(f"opacity must exceed 0.1; got {self.opacity!r}")
        require_count("grid", self.grid)

    def started(
        self, count: int, *, image_size: tuple[int, int], seed: int, device: torch.device
    ) -> Pictures:
        """Grey pictures."""
        del seed
        grid = (min(self.grid, image_size[0]), min(self.grid, image_size[1]))
        return Pictures(
            count, opacity=self.opacity, grid=grid, image_size=image_size, device=device
        )
