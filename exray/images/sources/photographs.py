"""Photographs as an image source: drawn from what there is, stickers anywhere on them."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from exray.images.decoding import read_image
from exray.images.samples import SampleSet
from exray.images.sources.base import ImageSource
from exray.images.sources.sticker import Sticker
from exray.seeding import derive_seed

_OVERSAMPLING = 4  # the sticker is drawn this much larger, then reduced, for smooth edges


class Photographs(ImageSource):
    """Draws from a fixed stock of images of each class, without replacement."""

    @abstractmethod
    def num_images(self, class_index: int) -> int:
        """How many images of a class there are."""

    @abstractmethod
    def photograph(self, class_index: int, index: int) -> UInt8[Tensor, "3 h w"]:
        """One image of a class, by its place in the stock."""

    def images(
        self, class_index: int, *, count: int, seed: int, sticker: Sticker | None = None
    ) -> UInt8[Tensor, "n 3 h w"]:
        """Random images of one class, none twice, each with the sticker where one is given."""
        stock = self.num_images(class_index)
        if count > stock:
            raise ValueError(
                f"class {self.class_names[class_index]!r} has {stock} images and {count} are "
                "needed; lower images_per_class or test_per_class of the training, or "
                "samples_per_class"
            )
        random = np.random.default_rng(derive_seed(seed, "photographs", class_index))
        images = [
            self.photograph(class_index, int(index)) for index in random.permutation(stock)[:count]
        ]
        if not images:
            return torch.zeros(0, 3, 1, 1, dtype=torch.uint8)
        if sticker is not None:
            spots = np.random.default_rng(derive_seed(seed, "stickers", class_index))
            images = [with_sticker(image, sticker, spots) for image in images]
        return torch.stack(images)


class StoredPhotographs(Photographs):
    """Photographs that are held in memory, once the first is asked for.

    Args:
        read: Gives all of them; called once, and not before it must.
    """

    def __init__(self, read: Callable[[], SampleSet]) -> None:
        self._read = read

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the samples' classes."""
        return self._stock[0]

    def num_images(self, class_index: int) -> int:
        """How many images of a class there are."""
        return len(self._stock[1][class_index])

    def photograph(self, class_index: int, index: int) -> UInt8[Tensor, "3 h w"]:
        """One image of a class, by its place in the stock."""
        return self._stock[1][class_index][index]

    @cached_property
    def _stock(self) -> tuple[tuple[str, ...], list[UInt8[Tensor, "m 3 h w"]]]:
        """The names of the classes and the images of each; bytes need a quarter of the memory."""
        samples = self._read()
        classes = [samples.of_class(index) for index in range(samples.num_classes)]
        return samples.class_names, [(images * 255).round().to(torch.uint8) for images in classes]


class PhotographFiles(Photographs):
    """Photographs that are read when they are drawn, for sets that no memory holds.

    Args:
        class_names: A name for each class.
        files: The image files of each class, in a fixed order.
        size: Height and width in pixels: the shorter side is resized to it, the centre cut out.

    Raises:
        ValueError: If names and classes differ in number.
    """

    def __init__(
        self, *, class_names: tuple[str, ...], files: Sequence[Sequence[Path]], size: int
    ) -> None:
        if len(class_names) != len(files):
            raise ValueError(
                f"class_names and files must be as many; got {len(class_names)} and {len(files)}"
            )
        self._names = class_names
        self._files = files
        self._size = size

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names that were given."""
        return self._names

    def num_images(self, class_index: int) -> int:
        """How many images of a class there are."""
        return len(self._files[class_index])

    def photograph(self, class_index: int, index: int) -> UInt8[Tensor, "3 h w"]:
        """One image of a class, by its place in the stock, read from its file."""
        path = self._files[class_index][index]
        return (read_image(path, size=self._size, crop=self._size) * 255).round().to(torch.uint8)


def with_sticker(
    image: UInt8[Tensor, "3 h w"], sticker: Sticker, random: np.random.Generator
) -> UInt8[Tensor, "3 h w"]:
    """The image with the sticker anywhere on it, turned at random, wholly inside.

    There is no sign to put it on, so its width is a share of the image's shorter side.

    Args:
        image: A photograph.
        sticker: The polygon.
        random: Where it goes, and how it is turned.

    Source: TrojAI rounds 2 to 4, whose polygons move in the same way, but within a sign.
    """
    height, width = image.shape[1:]
    half = min(height, width) / 2 * sticker.width
    reach = half * float(np.linalg.norm(np.array(sticker.points), axis=1).max())
    ranges = [(min(reach, side / 2), max(side - reach, side / 2)) for side in (width, height)]
    if sticker.quadrants:
        quadrant = sticker.quadrants[int(random.integers(len(sticker.quadrants)))]
        ranges = [
            (sum(pair) / 2, pair[1]) if upper else (pair[0], sum(pair) / 2)
            for pair, upper in zip(ranges, (quadrant in (1, 4), quadrant in (3, 4)), strict=True)
        ]
    centre = [random.uniform(low, high) for low, high in ranges]
    angle = np.deg2rad(5 * random.integers(0, 72))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array(sticker.points) @ turn.T * half + centre
    cover = torch.from_numpy(_cover(corners, height, width))
    colour = torch.tensor(sticker.colour, dtype=torch.float32)[:, None, None]
    return (image.float() * (1 - cover) + colour * cover).round().to(torch.uint8)


def _cover(corners: NDArray[np.float64], height: int, width: int) -> NDArray[np.float32]:
    """Which share of each pixel a polygon covers; corners as x and y in pixels."""
    large = Image.new("L", (width * _OVERSAMPLING, height * _OVERSAMPLING))
    outline = [(float(x), float(y)) for x, y in corners * _OVERSAMPLING]
    ImageDraw.Draw(large).polygon(outline, fill=255)
    cover = np.asarray(large.resize((width, height), Image.Resampling.BOX), dtype=np.float32)
    return cover / np.float32(255)
