"""Triggers that change every pixel of the image, such as filters."""

import colorsys
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from exray.triggers.base import Trigger

_DARKEST = 0.1  # lightness of the chart's last row; the first is white less as much


@dataclass(frozen=True, kw_only=True)
class WholeImageTrigger(Trigger):
    """A change of all pixels; since its size in pixels is the image, ``ssim`` tells how much shows.

    Args:
        image_size: Height and width in pixels of the images it is made for.

    Raises:
        ValueError: If a side is not positive.
    """

    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        if min(self.image_size) < 1:
            raise ValueError(f"image_size must be a height and a width; got {self.image_size}")

    @property
    def size_pixels(self) -> float:
        """All pixels of the image."""
        return float(self.image_size[0] * self.image_size[1])

    @property
    def input_size(self) -> tuple[int, int]:
        """The images' height and width."""
        return self.image_size

    def portrait(self, like: Float[Tensor, "1 c h w"]) -> Float[Tensor, "c h w"]:
        """A colour chart above what the trigger makes of it."""
        height, width = like.shape[-2:]
        half = colour_chart((max(height // 2, 1), width)).to(like)
        chart = half.repeat(1, 3, 1)[:, :height]
        changed = self.apply(chart[None])[0]
        return torch.cat([half, changed[:, half.shape[1] :]], dim=1)


def colour_chart(size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """Every hue from left to right, from light above to dark below.

    Args:
        size: Height and width in pixels.

    Example:
        >>> colour_chart((5, 3))[:, 2].T.round()  # pure red, green and blue in the middle row
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 0., 1.]])
    """
    lightness = torch.linspace(1 - _DARKEST, _DARKEST, size[0]).tolist()
    hues = [column / size[1] for column in range(size[1])]
    rows = [[colorsys.hls_to_rgb(hue, level, 1.0) for hue in hues] for level in lightness]
    return torch.tensor(rows).permute(2, 0, 1).contiguous()
