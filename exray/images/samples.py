"""The clean images a scan works with, by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SampleSet:
    """Clean images with their classes.

    Args:
        images: RGB in [0, 1], at the size the classifier takes.
        labels: True class of each image, in [0, num_classes).
        class_names: A name for each class, in the order of the indices.

    Raises:
        ValueError: If images and labels differ in number, an image leaves [0, 1] or a label lies
            outside the classes.

    Example:
        >>> samples = SampleSet(
        ...     images=torch.rand(4, 3, 8, 8), labels=torch.tensor([0, 0, 2, 2]),
        ...     class_names=("stop", "yield", "right"))
        >>> samples.counts()
        [2, 0, 2]
        >>> samples.of_class(2).shape
        torch.Size([2, 3, 8, 8])
    """

    images: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise ValueError(
                f"images and labels must be as many; got {len(self.images)} images "
                f"and {len(self.labels)} labels"
            )
        if len(self.images) and not (self.images.min() >= 0 and self.images.max() <= 1):
            low, high = float(self.images.min()), float(self.images.max())
            raise ValueError(f"images must lie in [0, 1]; got values from {low:g} to {high:g}")
        outside = (self.labels < 0) | (self.labels >= self.num_classes)
        if outside.any():
            raise ValueError(
                f"labels must lie in [0, {self.num_classes}); got {int(self.labels[outside][0])}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """Number of classes, those without images included."""
        return len(self.class_names)

    def counts(self) -> list[int]:
        """Number of images of each class."""
        return torch.bincount(self.labels, minlength=self.num_classes).tolist()

    def of_class(self, class_index: int) -> Float[Tensor, "m c h w"]:
        """The images of one class, in their stored order."""
        return self.images[self.labels == class_index]

    def require_class(self, class_index: int) -> Float[Tensor, "m c h w"]:
        """The images of one class, at least one.

        Raises:
            ValueError: If the class has none among the samples that a scan works with.
        """
        images = self.of_class(class_index)
        if not len(images):
            raise ValueError(
                f"class {class_index} has no image that the classifier gets right; a trigger from "
                "or to it cannot be judged"
            )
        return images

    def select(self, keep: Bool[Tensor, " n"]) -> "SampleSet":
        """The same classes with only the images where ``keep`` holds."""
        return SampleSet(
            images=self.images[keep], labels=self.labels[keep], class_names=self.class_names
        )

    def limited(self, per_class: int) -> "SampleSet":
        """The same classes with at most ``per_class`` images each, the first in stored order."""
        keep = torch.zeros(len(self), dtype=torch.bool)
        for class_index in range(self.num_classes):
            keep[(self.labels == class_index).nonzero().flatten()[:per_class]] = True
        return self.select(keep)

    def to(self, device: torch.device) -> "SampleSet":
        """The same samples on another device."""
        return SampleSet(
            images=self.images.to(device),
            labels=self.labels.to(device),
            class_names=self.class_names,
        )


def default_class_names(num_classes: int) -> tuple[str, ...]:
    """Names ``class 0`` and so on, where there are no better ones.

    Example:
        >>> default_class_names(2)
        ('class 0', 'class 1')
    """
    return tuple(f"class {index}" for index in range(num_classes))


def classes_without_images(counts: Sequence[int]) -> list[int]:
    """Classes without a single image.

    Example:
        >>> classes_without_images([2, 0, 1, 0])
        [1, 3]
    """
    return [index for index, count in enumerate(counts) if count == 0]
