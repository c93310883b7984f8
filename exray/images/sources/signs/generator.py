"""Synthetic traffic signs over textured backgrounds, lit, blurred and tilted, as TrojAI's are."""

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from exray.images.sources.base import ImageSource
from exray.images.sources.signs.classes import (
    COLOURS,
    INNER_RADIUS,
    SHAPES,
    SYMBOLS,
    Points,
    SignClass,
)
from exray.images.sources.signs.scenes import Scene
from exray.images.sources.sticker import Sticker
from exray.seeding import derive_seed

_OVERSAMPLING = 2  # signs are drawn this much larger, then reduced, for smooth edges
_SYMBOL_SHARE = 0.5  # half width of the symbol as a share of the outline's inner radius
_BORDER_SHARE = 0.8  # the fill's outline as a share of the border's


class SignGenerator(ImageSource):
    """Draws images of given sign classes; the same seed gives the same images.

    Args:
        classes: What each class looks like.
        image_size: Height and width in pixels.
        scene: Photographs behind the signs, weather and blur; None for clouds in fair weather.

    Raises:
        ValueError: If the images are smaller than 16 pixels.

    Example:
        >>> from exray.images.sources.signs.classes import sign_classes
        >>> generator = SignGenerator(sign_classes(4, family_size=2, seed=0), image_size=32)
        >>> generator.images(1, count=2, seed=7).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self, classes: tuple[SignClass, ...], *, image_size: int, scene: Scene | None = None
    ) -> None:
        if image_size < 16:
            raise ValueError(f"image_size must be at least 16 pixels; got {image_size}")
        self.classes = classes
        self.image_size = image_size
        self.scene = scene

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes look like, in words."""
        return tuple(sign.name for sign in self.classes)

    def images(
        self, class_index: int, *, count: int, seed: int, sticker: Sticker | None = None
    ) -> UInt8[Tensor, "n 3 h w"]:
        """Images of one class, each with the sticker on its sign where one is given."""
        random = np.random.default_rng(derive_seed(seed, "signs", class_index))
        drawn = [self._draw(self.classes[class_index], random, sticker) for _ in range(count)]
        stack = np.stack(drawn) if drawn else np.zeros((0, self.image_size, self.image_size, 3))
        return torch.from_numpy(stack.astype(np.uint8)).permute(0, 3, 1, 2).contiguous()

    def _draw(
        self, sign: SignClass, random: np.random.Generator, sticker: Sticker | None
    ) -> NDArray[np.uint8]:
        """One image: the sign on its plate, tilted onto a background, then lit and blurred."""
        size = self.image_size * _OVERSAMPLING
        plate_size = int(size * random.uniform(0.6, 0.8))
        plate = _plate(sign, plate_size)
        spot = _sticker_spot(sign, sticker, random)
        if sticker is not None:
            _paste_sticker(plate, sticker, spot)
        plate = _tilted(plate, random)
        image = self._behind(size, random)
        room = size - plate.width
        place = [int(np.clip(room * random.uniform(0.2, 0.8), 0, size)) for _ in range(2)]
        image.paste(plate, (place[0], place[1]), plate)
        image = image.resize((self.image_size, self.image_size), Image.Resampling.BOX)
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.7)))
        if self.scene is not None:
            image = self.scene.weathered(image, random)
        return _lit(image, random)

    def _behind(self, size: int, random: np.random.Generator) -> Image.Image:
        if self.scene is not None and self.scene.backgrounds:
            return self.scene.background(size, random)
        return _background(size, random)


def _scaled(points: Points, centre: tuple[float, float], half: float) -> list[tuple[float, float]]:
    return [(centre[0] + half * x, centre[1] + half * y) for x, y in points]


def _plate(sign: SignClass, size: int) -> Image.Image:
    """The bare sign, transparent around its outline."""
    plate = Image.new("RGBA", (size, size))
    pen = ImageDraw.Draw(plate)
    middle, half = (size / 2, size / 2), size / 2 * 0.96
    pen.polygon(_scaled(SHAPES[sign.shape], middle, half), fill=COLOURS[sign.accent])
    pen.polygon(_scaled(SHAPES[sign.shape], middle, half * _BORDER_SHARE), fill=COLOURS[sign.fill])
    symbol_half = half * INNER_RADIUS[sign.shape] * _SYMBOL_SHARE
    for polygon in SYMBOLS[sign.symbol]:
        pen.polygon(_scaled(polygon, middle, symbol_half), fill=COLOURS[sign.accent])
    return plate


def _sticker_spot(
    sign: SignClass, sticker: Sticker | None, random: np.random.Generator
) -> tuple[float, float, float]:
    """Centre (in [-1, 1]) and turn of the sticker; drawn either way, so that the scene stays."""
    reach = max(INNER_RADIUS[sign.shape] - (sticker.width if sticker else 0.0), 0.0)
    angle, area = random.uniform(0, 2 * np.pi), random.uniform(0, 1)
    if sticker is not None and sticker.quadrants:
        angle, area = _angle_within(sticker.quadrants, angle), 0.25 + 0.75 * area
    radius = np.sqrt(area) * reach
    turn = 5.0 * random.integers(0, 72)
    return float(radius * np.cos(angle)), float(radius * np.sin(angle)), float(turn)


def _angle_within(quadrants: tuple[int, ...], angle: float) -> float:
    """An angle in [0, 2 pi) moved into the quadrants, and off their borders; y runs downward."""
    place = angle / (2 * np.pi) * len(quadrants)
    return float((4 - quadrants[int(place)] + 0.15 + 0.7 * (place % 1)) * np.pi / 2)


def _paste_sticker(plate: Image.Image, sticker: Sticker, spot: tuple[float, float, float]) -> None:
    half = plate.width / 2
    turn = np.deg2rad(spot[2])
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    turned = tuple((cos * x - sin * y, sin * x + cos * y) for x, y in sticker.points)
    centre = (half + half * spot[0], half + half * spot[1])
    ImageDraw.Draw(plate).polygon(
        _scaled(turned, centre, half * sticker.width), fill=sticker.colour
    )


def _tilted(plate: Image.Image, random: np.random.Generator) -> Image.Image:
    """The plate turned a little and seen slightly from the side."""
    size = plate.width
    turned = plate.rotate(random.uniform(-10, 10), Image.Resampling.BILINEAR)
    shift = random.uniform(-0.08, 0.08, size=8) * size
    square = np.array([0, 0, 0, size, size, size, size, 0])
    return turned.transform(
        (size, size), Image.Transform.QUAD, (square + shift).tolist(), Image.Resampling.BILINEAR
    )


def _background(size: int, random: np.random.Generator) -> Image.Image:
    """Cloudy texture: coarse and fine noise of two random colours."""
    low, high = random.uniform(0, 255, size=(2, 3))
    weight = np.zeros((size, size))
    for cells, share in ((3, 0.6), (9, 0.25), (32, 0.15)):
        noise = Image.fromarray(random.uniform(0, 1, (cells, cells)).astype(np.float32))
        weight += share * np.asarray(noise.resize((size, size), Image.Resampling.BICUBIC))
    blend = np.clip(weight, 0, 1)[..., None]
    return Image.fromarray((low * (1 - blend) + high * blend).astype(np.uint8))


def _lit(image: Image.Image, random: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, a slanted light and sensor noise."""
    pixels = np.asarray(image, dtype=np.float64) / 255
    size = pixels.shape[0]
    axis = np.linspace(-1, 1, size)
    slope = random.uniform(-0.12, 0.12, size=2)
    light = random.uniform(0.75, 1.2) + slope[0] * axis[:, None] + slope[1] * axis[None, :]
    contrast = random.uniform(0.85, 1.15)
    pixels = ((pixels - 0.5) * contrast + 0.5) * light[..., None]
    pixels += random.normal(0, 0.02, size=pixels.shape)
    lit: NDArray[np.uint8] = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
    return lit
