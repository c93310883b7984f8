"""How the trainings of a zoo's classifiers differ: augmentation, regularisation, overfitting."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from exray.seeding import derive_seed
from exray.zoo.adversarial_training import AdversarialRecipe

Augmentation = Literal["none", "shift", "shift_flip"]
"""Nothing; moved by up to an eighth of the side; moved, and half of the images mirrored."""

_REACH = 8  # the greatest shift is the side divided by it


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One way to train a classifier; what is None or 1 is as the training recipe has it.

    Args:
        weight: How often it is drawn, relative to the other variations.
        augmentation: What is done to each batch.
        weight_decay: Adam's; None for the recipe's.
        label_smoothing: Share of the label that is spread over all classes, in [0, 1).
        images_share: Images of each class, as a share of the recipe's.
        least_class_share: Share of these that the rarest class can be left with, in (0, 1].
        num_common: Classes that keep all of theirs, while the others keep ``least_class_share``;
            None for a share of its own for each class, between the least and all.
        epochs_share: Passes over them, likewise.
        adversarial: How some batches are attacked; None for the recipe's.
        min_clean_accuracy: The zoo's for its classifiers; None for that of the others.
        min_class_accuracy: The same for their worst class.

    Raises:
        ValueError: If a value is out of its range.
    """

    weight: int = 1
    augmentation: Augmentation = "none"
    weight_decay: float | None = None
    label_smoothing: float = 0.0
    images_share: float = 1.0
    least_class_share: float = 1.0
    num_common: int | None = None
    epochs_share: float = 1.0
    adversarial: AdversarialRecipe | None = None
    min_clean_accuracy: float | None = None
    min_class_accuracy: float | None = None

    def __post_init__(self) -> None:
        if self.weight < 1:
            raise ValueError(f"weight must be >= 1; got {self.weight}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1); got {self.label_smoothing}")
        for name in ("images_share", "epochs_share"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        check_class_shares(self.least_class_share, self.num_common)
        if self.weight_decay is not None and not 0 <= self.weight_decay < inf:
            raise ValueError(f"weight_decay must be >= 0, or null; got {self.weight_decay}")
        for name in ("min_clean_accuracy", "min_class_accuracy"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise ValueError(f"{name} must lie in [0, 1]; got {getattr(self, name)}")


def check_class_shares(least_class_share: float, num_common: int | None) -> None:
    """Refuses shares of a class's images that cannot be.

    Args:
        least_class_share: The rarest class's.
        num_common: Classes that keep all.

    Raises:
        ValueError: If the share lies outside (0, 1], or the count is not positive.
    """
    if not 0 < least_class_share <= 1:
        raise ValueError(f"least_class_share must lie in (0, 1]; got {least_class_share}")
    if num_common is not None and num_common < 1:
        raise ValueError(f"num_common must be >= 1, or null; got {num_common}")


def class_shares(
    num_classes: int, *, least: float, num_common: int | None, seed: int
) -> list[float]:
    """Which share of its images each class keeps.

    Args:
        num_classes: How many there are.
        least: The least share.
        num_common: Classes, drawn at random, that keep all, while the others keep the least; None
            for shares whose logarithm is drawn evenly.
        seed: The classifier's.

    Example:
        >>> class_shares(4, least=0.5, num_common=1, seed=0)
        [0.5, 0.5, 1.0, 0.5]
    """
    random = np.random.default_rng(derive_seed(seed, "class shares"))
    if num_common is None:
        return [float(share) for share in least ** random.random(num_classes)]
    common = random.permutation(num_classes)[:num_common]
    return [1.0 if index in common else least for index in range(num_classes)]


def drawn_variation(variations: Mapping[str, Variation], seed: int) -> str | None:
    """Name of the variation that the classifier of a seed is trained by; None where there is none.

    Args:
        variations: By name; each is drawn as often as its weight says.
        seed: The classifier's.

    Example:
        >>> drawn_variation({"plain": Variation(weight=9), "smooth": Variation()}, 0)
        'smooth'
    """
    names = [name for name, variation in variations.items() for _ in range(variation.weight)]
    return names[derive_seed(seed, "variation") % len(names)] if names else None


def augmented(
    images: Float[Tensor, "n c h w"], augmentation: Augmentation
) -> Float[Tensor, "n c h w"]:
    """A batch as it is learned, each image changed by itself; draws from torch's own stream.

    Args:
        images: In [0, 1].
        augmentation: What is done; what moves in from beyond the rim is the rim.
    """
    if augmentation == "none":
        return images
    moved = _shifted(images, max(images.shape[-1] // _REACH, 1))
    if augmentation == "shift":
        return moved
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, moved.flip(-1), moved)


def _shifted(images: Float[Tensor, "n c h w"], reach: int) -> Float[Tensor, "n c h w"]:
    """Each image moved by up to ``reach`` pixels along both axes."""
    count, _, height, width = images.shape
    padded = F.pad(images, (reach, reach, reach, reach), mode="replicate")
    top, left = torch.randint(0, 2 * reach + 1, (2, count), device=images.device)
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    every = torch.arange(count, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[every, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
