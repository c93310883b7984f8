"""A trigger that replaces pixels."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from exray.triggers.base import Trigger


@dataclass(frozen=True, kw_only=True)
class PatchTrigger(Trigger):
    """A pattern pasted where the mask says: ``image * (1 - mask) + pattern * mask``.

    Args:
        mask: Opacity of the pattern per pixel, in [0, 1].
        pattern: Colour of the patch per pixel, RGB in [0, 1]; one colour is a constant pattern.

    Raises:
        ValueError: If mask or pattern leave [0, 1].

    Example:
        >>> import torch
        >>> mask = torch.zeros(4, 4); mask[0, 0] = 1
        >>> trigger = PatchTrigger(mask=mask, pattern=torch.ones(3, 4, 4))
        >>> trigger.apply(torch.zeros(2, 3, 4, 4)).sum().item(), trigger.size_pixels
        (6.0, 1.0)

    Source: EX-RAY, section 2; ABS, section 4.
    """

    mask: Float[Tensor, "h w"]
    pattern: Float[Tensor, "c h w"]

    def __post_init__(self) -> None:
        for name, values in (("mask", self.mask), ("pattern", self.pattern)):
            if not (values.min() >= 0 and values.max() <= 1):
                low, high = float(values.min()), float(values.max())
                raise ValueError(f"{name} must lie in [0, 1]; got values from {low:g} to {high:g}")

    def apply(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The images with the pattern blended in by the mask."""
        return images * (1 - self.mask) + self.pattern * self.mask

    @property
    def size_pixels(self) -> float:
        """Number of pixels whose opacity exceeds 0.1, the released code's bar."""
        return float((self.mask > OPACITY_BAR).sum())


OPACITY_BAR = 0.1  # below it a pixel does not count as changed (facts: mask^2 > 0.01)
