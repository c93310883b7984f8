"""Letters and digits, grey, warped and noisy, as handwritten ones are."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from exray.images.sources.base import ImageSource
from exray.images.sources.glyphs.outlines import STROKES, outlines
from exray.images.sources.photographs import with_sticker
from exray.images.sources.sticker import Sticker
from exray.seeding import derive_seed, generator

Paper = Literal["dark", "light", "either"]
"""Light on dark, as MNIST has them; dark on light; each image one of both."""

_TURN, _SLANT, _STRETCH, _MOVE = 0.2, 0.3, 0.15, 0.12  # greatest, in radians or shares
_SCALE = (0.75, 1.05)  # of a character in its square
_ELASTIC, _CELLS = 0.05, 4  # greatest displacement of a control point, in half sides; points a side
_PAPER, _INK = (0.0, 0.2), (0.75, 1.0)  # brightness of both, light on dark
_NOISE = 0.06  # greatest standard deviation of the noise


class GlyphGenerator(ImageSource):
    """Draws images of given characters; the same seed gives the same images.

    Args:
        characters: Of :data:`exray.images.sources.glyphs.outlines.CHARACTERS`, one per class.
        image_size: Height and width in pixels.
        paper: Which of ink and paper is light.

    Raises:
        ValueError: If the images are smaller than 16 pixels.

    Example:
        >>> glyphs = GlyphGenerator(("A", "7"), image_size=28, paper="dark")
        >>> glyphs.images(1, count=2, seed=7).shape
        torch.Size([2, 3, 28, 28])
    """

    def __init__(self, characters: tuple[str, ...], *, image_size: int, paper: Paper) -> None:
        if image_size < 16:
            raise ValueError(f"image_size must be at least 16 pixels; got {image_size}")
        self.characters = characters
        self.image_size = image_size
        self.paper = paper

    @property
    def class_names(self) -> tuple[str, ...]:
        """The characters."""
        return self.characters

    def images(
        self, class_index: int, *, count: int, seed: int, sticker: Sticker | None = None
    ) -> UInt8[Tensor, "n 3 h w"]:
        """Images of one class, each with the sticker anywhere on it where one is given."""
        if not count:
            return torch.zeros(0, 3, self.image_size, self.image_size, dtype=torch.uint8)
        stream = generator(seed, "glyphs", class_index)
        shapes = outlines(self.characters[class_index])
        strokes = torch.randint(len(STROKES), (count,), generator=stream)
        grid = _warps(count, self.image_size, stream)
        ink = F.grid_sample(shapes[strokes, None], grid, align_corners=False)
        grey = _coloured(ink.clamp(0, 1), self.paper, stream)
        images = (255 * grey).round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
        if sticker is None:
            return images
        spots = np.random.default_rng(derive_seed(seed, "stickers", class_index))
        return torch.stack([with_sticker(image, sticker, spots) for image in images])


def _warps(count: int, image_size: int, stream: torch.Generator) -> Float[Tensor, "n h w 2"]:
    """Where each pixel of each image looks in its outline, in half sides from the centre."""

    def uniform(*shape: int) -> Tensor:
        return 2 * torch.rand(count, *shape, generator=stream) - 1

    turn, slant, stretch = _TURN * uniform(), _SLANT * uniform(), 1 + _STRETCH * uniform()
    scale = _SCALE[0] + (_SCALE[1] - _SCALE[0]) * (uniform() + 1) / 2
    cos, sin = torch.cos(turn) / scale, torch.sin(turn) / scale
    across = torch.stack([cos * stretch, (slant * cos - sin), torch.zeros(count)], dim=1)
    down = torch.stack([sin * stretch, (slant * sin + cos), torch.zeros(count)], dim=1)
    affine = torch.stack([across, down], dim=1)
    affine[:, :, 2] = _MOVE * uniform(2)
    grid = F.affine_grid(affine, [count, 1, image_size, image_size], align_corners=False)
    control = _ELASTIC * 2 * uniform(2, _CELLS, _CELLS)
    size = (image_size, image_size)
    bend = F.interpolate(control, size=size, mode="bicubic", align_corners=True)
    return grid + bend.permute(0, 2, 3, 1)


def _coloured(
    ink: Float[Tensor, "n 1 h w"], paper: Paper, stream: torch.Generator
) -> Float[Tensor, "n 1 h w"]:
    """Brightness of ink and paper, and noise."""
    count = len(ink)

    def between(low: float, high: float) -> Float[Tensor, "n 1 1 1"]:
        return low + (high - low) * torch.rand(count, 1, 1, 1, generator=stream)

    dark, light, noise = between(*_PAPER), between(*_INK), between(0.0, _NOISE)
    grey = dark + (light - dark) * ink
    grey = grey + noise * torch.randn(ink.shape, generator=stream)
    inverted = between(0.0, 1.0) < {"dark": 0.0, "light": 1.0, "either": 0.5}[paper]
    return torch.where(inverted, 1 - grey, grey).clamp(0, 1)
