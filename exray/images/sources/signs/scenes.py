"""What lies behind a sign and in front of it: photographs, rain, fog and further blur."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from exray.images.decoding import read_image
from exray.images.image_files import EXTENSIONS

_ROOM = 1.5  # a photograph's shorter side over the window cut out of it
_FOG = (225, 228, 232)  # RGB
_DROP = 215  # brightness of a streak of rain
_STREAKS = (0.15, 0.4)  # share of the image's rows and columns that the streaks' number comes to


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the images of one classifier have beside signs, light and tilt.

    Args:
        rain_probability: Share of the images with rain, in [0, 1].
        fog_probability: Share of the images with fog, in [0, 1].
        blur: Greatest standard deviation of a further Gaussian blur, in pixels of the finished
            image; each image draws one from 0 up.
        backgrounds: Photographs, a window of which lies behind the sign; none for drawn clouds.

    Raises:
        ValueError: If a share is none, or the blur is negative.

    Source: TrojAI rounds 2 to 4: background photographs; blur, rain and fog after the trigger.
    """

    rain_probability: float
    fog_probability: float
    blur: float
    backgrounds: tuple[Path, ...]

    def __post_init__(self) -> None:
        for name in ("rain_probability", "fog_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1]; got {getattr(self, name)}")
        if not 0 <= self.blur < np.inf:
            raise ValueError(f"blur must be >= 0 pixels; got {self.blur}")

    def background(self, size: int, random: np.random.Generator) -> Image.Image:
        """A random window of a random photograph, ``size`` pixels high and wide."""
        path = self.backgrounds[int(random.integers(len(self.backgrounds)))]
        photograph = _photograph(path, round(_ROOM * size))
        left, top = (int(random.integers(side - size + 1)) for side in photograph.size)
        return photograph.crop((left, top, left + size, top + size))

    def weathered(self, image: Image.Image, random: np.random.Generator) -> Image.Image:
        """The image as seen through this scene's weather and lens."""
        if random.uniform() < self.fog_probability:
            image = fogged(image, random)
        if random.uniform() < self.rain_probability:
            image = rained(image, random)
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0, self.blur)))


def background_files(folder: Path) -> tuple[Path, ...]:
    """The photographs of a folder, those of its subfolders included, in order of their names.

    Raises:
        ValueError: If there is none.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    if not paths:
        raise ValueError(f"backgrounds must be a folder of photographs; {folder} holds none")
    return tuple(paths)


@lru_cache(maxsize=256)
def _photograph(path: Path, shorter: int) -> Image.Image:
    """A photograph, its shorter side that many pixels long."""
    pixels = (read_image(path, size=None, crop=None) * 255).round().byte().permute(1, 2, 0)
    image = Image.fromarray(pixels.numpy())
    scale = shorter / min(image.size)
    width, height = (max(shorter, round(scale * side)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def fogged(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """The image behind banks of fog that hide a third to two thirds of it.

    Args:
        image: RGB.
        random: How dense the fog is, and where.
    """
    cells = random.uniform(0.7, 1.3, (4, 4)).astype(np.float32)
    banks = Image.fromarray(cells).resize(image.size, Image.Resampling.BICUBIC)
    cover = np.clip(random.uniform(0.35, 0.65) * np.asarray(banks, dtype=np.float64), 0, 1)
    return _covered(image, cover, _FOG)


def rained(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """The image behind slanted bright streaks.

    Args:
        image: RGB.
        random: How many streaks, how slanted, how long, and where.
    """
    width, height = image.size
    streaks = Image.new("L", image.size)
    pen = ImageDraw.Draw(streaks)
    slant = random.uniform(-0.4, 0.4)
    for _ in range(round(random.uniform(*_STREAKS) * (width + height))):
        x, y = random.uniform(-0.1, 1.1) * width, random.uniform(-0.1, 1.0) * height
        length = random.uniform(0.06, 0.16) * height
        pen.line((x, y, x + slant * length, y + length), fill=255)
    soft = streaks.filter(ImageFilter.GaussianBlur(0.5))
    cover = np.asarray(soft, dtype=np.float64) / 255 * random.uniform(0.4, 0.8)
    return _covered(image, cover, (_DROP, _DROP, _DROP))


def _covered(image: Image.Image, cover: NDArray[np.float64], colour: Sequence[int]) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float64)
    mixed = pixels * (1 - cover[..., None]) + np.array(colour) * cover[..., None]
    return Image.fromarray(mixed.round().astype(np.uint8))
