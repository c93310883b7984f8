"""Filters: a kernel over each pixel and its neighbourhood."""

from dataclasses import dataclass

import torch

from exray.scanners.inversion.filters import Filters, FilterSettings
from exray.scanners.inversion.strength import Strength
from exray.scanners.portfolio.kinds.base import TriggerKind


@dataclass(frozen=True, kw_only=True)
class FilterKind(TriggerKind):
    """A 12x3 kernel within a bound on the images' SSIM.

    Args:
        filter: The bound, and the neighbourhood's size.
    """

    filter: FilterSettings

    def started(
        self, count: int, *, image_size: tuple[int, int], seed: int, device: torch.device
    ) -> Filters:
        """Kernels next to the identity."""
        del seed
        return Filters(
            count, window=self.filter.window(image_size), image_size=image_size, device=device
        )

    def objective(self) -> Strength:
        """The strength, less a penalty on filters that change the images too much."""
        return Strength(min_ssim=self.filter.min_ssim)
