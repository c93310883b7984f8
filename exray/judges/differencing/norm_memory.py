"""What batch norms stored of their training, beside what clean images show there."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from exray.models.batch_statistics import (
    NormMoments,
    StoredMoments,
    norm_moments,
    pooled,
    stored_moments,
    stores_statistics,
)
from exray.models.classifier import Classifier

MOST_IMAGES = 512  # that batch statistics are taken of
_LEAST_IMAGES = 8
_REACH = 8  # images are moved by up to their side divided by it
_NOISE = 0.03  # standard deviation


@dataclass(frozen=True, kw_only=True)
class NormMemory:
    """The moments that a classifier's batch norms stored, and those of images that it is shown.

    Args:
        stored: At each call of a batch norm, in their order.
        clean: Of the clean images, by class.
        classes: The classes that have images, in the order of these groups.
        usual: Of some of the clean images together, as they are and then changed as trainings
            usually change them: moved, mirrored, noisy, darker or paler.
    """

    stored: list[StoredMoments]
    clean: list[NormMoments]
    classes: tuple[int, ...]
    usual: list[list[NormMoments]]

    @classmethod
    def of(
        cls, classifier: Classifier, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
    ) -> "NormMemory | None":
        """The memory of a classifier.

        Args:
            classifier: Stays as it is.
            images: Clean ones, of all classes.
            labels: Their classes.

        Returns:
            The memory; None without batch norms that are called and store statistics, or with fewer
            than eight images.
        """
        if len(images) < _LEAST_IMAGES or not stores_statistics(classifier.network):
            return None
        classes, groups = torch.unique(labels.to(images.device), return_inverse=True)
        clean = norm_moments(classifier, images, groups)
        if not clean:
            return None
        subset = at_most(images, MOST_IMAGES)
        is_whole = len(subset) == len(images)
        usual = [pooled(clean, groups) if is_whole else norm_moments(classifier, subset)]
        usual += [norm_moments(classifier, changed) for changed in _usual_changes(subset)]
        return cls(
            stored=stored_moments(classifier, images[:1]),
            clean=clean,
            classes=tuple(classes.tolist()),
            usual=usual,
        )


def at_most(images: Float[Tensor, "n c h w"], count: int) -> Float[Tensor, "m c h w"]:
    """So many of the images at most, evenly spread over their order.

    Args:
        images: Any number, one at least.
        count: Most that are taken.

    Example:
        >>> at_most(torch.zeros(10, 1, 2, 2), 4).shape[0]
        4
    """
    return images[:: -(-len(images) // count)]


def _usual_changes(images: Float[Tensor, "n c h w"]) -> Iterator[Float[Tensor, "n c h w"]]:
    """The images as trainings usually change them, always by the same draws."""
    stream = torch.Generator().manual_seed(0)
    yield _moved(images, "constant", stream)  # black moves in from beyond the rim
    yield _moved(images, "replicate", stream)  # or the rim
    yield images.flip(3)
    noise = torch.randn(images.shape, generator=stream).to(images)
    yield (images + _NOISE * noise).clamp(0, 1)
    yield (images * _factors(images, stream)).clamp(0, 1)
    means = images.mean(dim=(2, 3), keepdim=True)
    yield (means + _factors(images, stream) * (images - means)).clamp(0, 1)


def _moved(
    images: Float[Tensor, "n c h w"], mode: str, stream: torch.Generator
) -> Float[Tensor, "n c h w"]:
    """Each image moved by up to an eighth of its side along both axes."""
    height, width = images.shape[-2:]
    down, right = max(1, height // _REACH), max(1, width // _REACH)
    padded = F.pad(images, (right, right, down, down), mode=mode)
    tops = torch.randint(0, 2 * down + 1, (len(images),), generator=stream).tolist()
    lefts = torch.randint(0, 2 * right + 1, (len(images),), generator=stream).tolist()
    return torch.stack(
        [
            image[:, top : top + height, left : left + width]
            for image, top, left in zip(padded, tops, lefts, strict=True)
        ]
    )


def _factors(images: Float[Tensor, "n c h w"], stream: torch.Generator) -> Float[Tensor, "n 1 1 1"]:
    """One for each image, of brightness or of contrast."""
    return (0.6 + 0.8 * torch.rand(len(images), 1, 1, 1, generator=stream)).to(images)
