"""Faint waves over the image."""

from dataclasses import dataclass

import torch

from exray.scanners.inversion.sinusoids import Sinusoids
from exray.scanners.portfolio.kinds.base import TriggerKind
from exray.scanners.validation import require_count, require_fraction


@dataclass(frozen=True, kw_only=True)
class SinusoidKind(TriggerKind):
    """Waves of a bounded amplitude.

    Args:
        amplitude: Greatest change of a pixel, a fraction.
        cycles: Most cycles along a side.

    Raises:
        ValueError: If the amplitude is no fraction or there are no cycles.
    """

    amplitude: float
    cycles: int

    def __post_init__(self) -> None:
        require_fraction("amplitude", self.amplitude)
        require_count("cycles", self.cycles)

    def started(
        self, count: int, *, image_size: tuple[int, int], seed: int, device: torch.device
    ) -> Sinusoids:
        """No wave at all."""
        del seed
        return Sinusoids(
            count,
            amplitude=self.amplitude,
            cycles=self.cycles,
            image_size=image_size,
            device=device,
        )
