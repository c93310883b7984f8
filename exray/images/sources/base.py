"""Where images of a class come from: drawn, or photographs, with a sticker or without."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from exray.images.samples import SampleSet
from exray.images.sources.sticker import Sticker


class ImageSource(ABC):
    """Images of the classes of one classifier; the same seed gives the same images."""

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """A name for each class, in the order of the indices."""

    @abstractmethod
    def images(
        self, class_index: int, *, count: int, seed: int, sticker: Sticker | None = None
    ) -> UInt8[Tensor, "n 3 h w"]:
        """Images of one class, each with the sticker on it where one is given.

        Args:
            class_index: Which class.
            count: How many images.
            seed: Which images, and where the sticker sits; without the sticker the same images.
            sticker: What is put on each.

        Raises:
            ValueError: If there are not as many images.
        """

    def samples(self, *, per_class: int, seed: int) -> SampleSet:
        """Clean images of every class, class after class."""
        num_classes = len(self.class_names)
        images = [self.images(index, count=per_class, seed=seed) for index in range(num_classes)]
        return SampleSet(
            images=to_unit(torch.cat(images)),
            labels=torch.arange(num_classes).repeat_interleave(per_class),
            class_names=self.class_names,
        )


def to_unit(images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Bytes as floats in [0, 1]."""
    return images.float() / 255


Split = Literal["train", "test"]


SPLITS: tuple[Split, Split] = ("train", "test")
