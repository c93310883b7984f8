"""A trigger that adds a faint signal to every pixel."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from exray.triggers.base import Trigger

_CHANGED = 1.5 / 255  # a pixel counts as changed beyond it: rounding to bytes changes less
_GRAY = 0.5  # what the signal is added to in a portrait


@dataclass(frozen=True, kw_only=True)
class AdditiveTrigger(Trigger):
    """A signal added to the image, ``clip(image + signal, 0, 1)``.

    Args:
        signal: What is added per pixel, in [-1, 1].

    Raises:
        ValueError: If the signal leaves [-1, 1].

    Example:
        >>> signal = torch.tensor([[0.2, -0.2], [0.0, 0.0]]).repeat(3, 1, 1)
        >>> trigger = AdditiveTrigger(signal=signal)
        >>> trigger.apply(torch.full((1, 3, 2, 2), 0.9))[0, 0], trigger.size_pixels
        (tensor([[1.0000, 0.7000],
                [0.9000, 0.9000]]), 2.0)

    Source: Barni et al. 2019, additive backdoor signals.
    """

    kind: ClassVar[str] = "additive"

    signal: Float[Tensor, "c h w"]

    def __post_init__(self) -> None:
        if not self.signal.abs().max() <= 1:
            low, high = float(self.signal.min()), float(self.signal.max())
            raise ValueError(f"signal must lie in [-1, 1]; got values from {low:g} to {high:g}")

    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The images with the signal added."""
        return (images + self.signal).clamp(0, 1)

    @property
    def size_pixels(self) -> float:
        """How many pixels the signal changes by more than rounding to bytes does."""
        return float((self.signal.abs().amax(dim=0) > _CHANGED).sum())

    @property
    def input_size(self) -> tuple[int, int]:
        """The signal's height and width."""
        return (self.signal.shape[-2], self.signal.shape[-1])

    def portrait(self, like: Float[Tensor, "1 c h w"]) -> Float[Tensor, "c h w"]:
        """The signal on gray."""
        return self.apply(torch.full_like(like, _GRAY))[0]
