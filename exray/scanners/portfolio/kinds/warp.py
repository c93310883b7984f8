"""Smooth displacements of the image's pixels."""

from dataclasses import dataclass

import torch

from exray.scanners.inversion.warps import Warps
from exray.scanners.portfolio.kinds.base import TriggerKind
from exray.scanners.validation import require_count, require_size_share


@dataclass(frozen=True, kw_only=True)
class WarpKind(TriggerKind):
    """A warp.

    Args:
        most: Greatest displacement as a share of the image's side.
        grid: Rows and columns of the field before it is enlarged.

    Raises:
        ValueError: If the share lies outside (0, 1) or the grid is below 1.
    """

    most: float
    grid: int

    def __post_init__(self) -> None:
        require_size_share("most", self.most)
        require_count("grid", self.grid)

    def started(
        self, count: int, *, image_size: tuple[int, int], seed: int, device: torch.device
    ) -> Warps:
        """One slight warp for all candidates."""
        return Warps(
            count,
            most=self.most * min(image_size),
            grid=self.grid,
            image_size=image_size,
            seed=seed,
            device=device,
        )
