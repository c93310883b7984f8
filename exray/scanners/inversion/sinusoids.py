"""Sinusoids: a faint wave over the image per candidate, of any direction and frequency."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from exray.scanners.inversion.interfaces import Parametrisation, StampedSet
from exray.triggers.additive import AdditiveTrigger


class Sinusoids(Parametrisation):
    """A bounded mixture of waves, ``clip(x + amplitude tanh(sum of waves))``.

    A wave's direction and frequency have no useful gradient. So the weights of all waves of a few
    cycles along rows and columns are optimised together, as sine and cosine, the same for all
    colours; a sum that exceeds the amplitude is bent to it. Adam moves all waves at first; what the
    classifier reacts to grows.

    Args:
        count: Number of candidates.
        amplitude: Greatest change of a pixel.
        cycles: Most cycles along a side.
        image_size: Height and width in pixels.
        device: Device of the parameters.

    Source: sinusoidal signals, Barni et al. 2019.
    """

    def __init__(
        self,
        count: int,
        *,
        amplitude: float,
        cycles: int,
        image_size: tuple[int, int],
        device: torch.device,
    ) -> None:
        self._waves = waves(cycles, image_size).to(device)
        self._weights = torch.zeros(count, len(self._waves), device=device)
        self._amplitude = amplitude

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Weights of the waves."""
        return (self._weights,)

    def prepared(self, images: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m 3 h w"]:
        """The images as they are."""
        return images

    def stamp(self, prepared: Float[Tensor, "p m c h w"], rows: Sequence[Tensor]) -> StampedSet:
        """The images with the waves on them."""
        signals = self._signals(rows[0])
        size = signals.abs().flatten(1).mean(dim=1)
        return StampedSet(
            images=(prepared + signals[:, None, None]).clamp(0, 1),
            size=size,
            measure=size.detach(),
            counted=size.detach(),
        )

    def trigger(self, rows: Sequence[Tensor]) -> AdditiveTrigger:
        """The waves as one signal, the same for the three colours."""
        signal = self._signals(rows[0].detach())[0]
        return AdditiveTrigger(signal=signal.expand(3, -1, -1).clone())

    def _signals(self, weights: Float[Tensor, "p waves"]) -> Float[Tensor, "p h w"]:
        mixed = torch.einsum("pf,fhw->phw", weights, self._waves)
        return self._amplitude * torch.tanh(mixed)


def waves(cycles: int, image_size: tuple[int, int]) -> Float[Tensor, "waves h w"]:
    """Sines and cosines of all whole numbers of cycles along both sides, each wave once.

    Args:
        cycles: Most cycles along a side.
        image_size: Height and width in pixels.

    Example:
        >>> waves(1, (4, 4)).shape  # along rows, along columns, along both diagonals
        torch.Size([8, 4, 4])
    """
    height, width = image_size
    row = torch.arange(height)[:, None] / height
    column = torch.arange(width) / width
    pairs = [
        (down, right)
        for down in range(cycles + 1)
        for right in range(-cycles, cycles + 1)
        if down > 0 or right > 0
    ]
    phases = [2 * torch.pi * (down * row + right * column) for down, right in pairs]
    return torch.stack([wave for phase in phases for wave in (phase.sin(), phase.cos())])
