"""A trigger that replaces pixels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from exray.triggers.base import Trigger, colour_axis_hint

OPACITY_BAR = 0.1  # below it a pixel does not count as changed (facts: mask^2 > 0.01)
_GRAY = 0.5  # what shows through a portrait where a patch is transparent


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

    kind: ClassVar[str] = "patch"
    colour_arrays: ClassVar[frozenset[str]] = frozenset({"pattern"})

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

    @property
    def input_size(self) -> tuple[int, int]:
        """The mask's height and width."""
        return (self.mask.shape[0], self.mask.shape[1])

    def portrait(self, like: Float[Tensor, "1 c h w"]) -> Float[Tensor, "c h w"]:
        """The patch on gray."""
        return self.apply(torch.full_like(like, _GRAY))[0]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Tensor], options: Mapping[str, object]) -> Trigger:
        """As every trigger; one colour of shape (3,) stands for a pattern of it."""
        mask, pattern = arrays.get("mask"), arrays.get("pattern")
        if mask is None or pattern is None or mask.ndim != 2 or not mask.numel():
            return super().from_arrays(arrays, options)  # which says what is wrong
        height, width = mask.shape
        if pattern.shape == (3,):
            pattern = pattern[:, None, None].expand(3, height, width).clone()
        if pattern.shape not in ((3, height, width), (1, height, width)):
            raise ValueError(
                f"pattern must be of shape (3, {height}, {width}), as the mask is, or (3,) for one "
                f"colour; got {tuple(pattern.shape)}{colour_axis_hint(pattern)}"
            )
        return super().from_arrays({"mask": mask, "pattern": pattern}, options)
