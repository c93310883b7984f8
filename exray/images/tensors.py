"""Samples out of what is in memory: tensors, a DataLoader, or a torchvision dataset."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from exray.images.samples import SampleSet, default_class_names

Batch = tuple[object, object]
"""Images and their labels: of one image, or of several."""


def samples_of(
    data: object,
    *,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    limit_per_class: int | None = None,
) -> SampleSet:
    """Clean images in memory as a sample set.

    Args:
        data: A :class:`SampleSet`; a pair of images (n c h w, as bytes or as floats in [0, 1]) and
            labels; a ``DataLoader`` of such pairs; or a dataset of (image, label), images as
            tensors or of Pillow.
        num_classes: Number of classes of the classifier; None takes that of the names, or the
            largest label plus one.
        class_names: A name per class; None takes the dataset's own ``classes``, or ``class 0``
            and so on.
        limit_per_class: At most so many images per class, the first ones; None for all.

    Raises:
        TypeError: If the data is none of these.
        ValueError: If images are not in [0, 1] or differ in size, labels are not whole numbers in
            [0, num_classes), or there is no image.

    Example:
        >>> samples_of((torch.zeros(3, 3, 8, 8), torch.tensor([0, 2, 2]))).counts()
        [1, 0, 2]
        >>> bytes_ = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
        >>> samples_of((bytes_, [0])).images.max().item()
        1.0
    """
    if limit_per_class is not None and limit_per_class < 1:
        raise ValueError(f"limit_per_class must be at least 1, or None; got {limit_per_class}")
    if isinstance(data, SampleSet):
        return data if limit_per_class is None else data.limited(limit_per_class)
    images, labels = _collected(data, limit_per_class)
    names = _names(data, class_names)
    count = num_classes or len(names) or 1 + int(labels.max())
    if names and len(names) != count:
        raise ValueError(
            f"class_names must be as many as classes; got {len(names)} names for {count} classes"
        )
    return SampleSet(images=images, labels=labels, class_names=names or default_class_names(count))


def _collected(
    data: object, limit_per_class: int | None
) -> tuple[Float[Tensor, "n c h w"], Int[Tensor, " n"]]:
    """Images and labels, at most so many per class."""
    images: list[Tensor] = []
    labels: list[Tensor] = []
    counts: Counter[int] = Counter()
    for batch_images, batch_labels in _batches(data):
        values = _as_images(batch_images)
        own = _as_labels(batch_labels, len(values))
        keep = _first_of_each(own, counts, limit_per_class)
        images.append(values[keep])
        labels.append(own[keep])
    if not sum(map(len, labels)):
        raise ValueError("data must hold at least one image; it holds none")
    _check_sizes(images)
    return torch.cat(images), torch.cat(labels)


def _batches(data: object) -> Iterator[Batch]:
    """Pairs of images and labels, whatever holds them."""
    if isinstance(data, tuple) and len(data) == 2:
        yield data
        return
    items: Iterable[object]
    if isinstance(data, DataLoader | IterableDataset):
        items = data
    elif isinstance(data, Dataset):
        items = (data[index] for index in range(len(cast(Sized, data))))
    else:
        raise TypeError(
            "data must be a SampleSet, a pair (images, labels), a DataLoader or a dataset of "
            f"(image, label); got a {type(data).__name__}"
        )
    for item in items:
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise TypeError(f"data must hold pairs of image and label; got a {type(item).__name__}")
        yield item[0], item[1]


def _as_images(images: object) -> Float[Tensor, "n c h w"]:
    """One image or several as floats in [0, 1] on the CPU."""
    if isinstance(images, Image.Image):
        images = np.array(images.convert("RGB")).transpose(2, 0, 1)
    values = torch.from_numpy(images) if isinstance(images, np.ndarray) else images
    if not isinstance(values, Tensor):
        raise TypeError(f"images must be tensors or Pillow's; got a {type(images).__name__}")
    if values.dim() == 3:
        values = values[None]
    if values.dim() != 4 or values.shape[1] not in (1, 3):
        raise ValueError(
            "images must have shape (n, channels, height, width) with 1 or 3 channels; "
            f"got {tuple(values.shape)}"
        )
    values = values.detach().cpu()
    if values.dtype == torch.uint8:
        return values.float().div(255)
    if not values.is_floating_point():
        raise ValueError(f"images must be uint8, or floats in [0, 1]; got {values.dtype}")
    if values.numel() and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"images must lie in [0, 1]; got values from {float(values.min()):g} to "
            f"{float(values.max()):g}; give them before normalisation, and its mean and std as "
            "preprocessing"
        )
    return values.float()


def _as_labels(labels: object, num_images: int) -> Int[Tensor, " n"]:
    """Labels as whole numbers, as many as images."""
    values = labels if isinstance(labels, Tensor) else torch.as_tensor(labels)
    values = values.detach().cpu().reshape(-1)
    if values.dtype == torch.bool or values.is_floating_point() or values.is_complex():
        raise ValueError(f"labels must be whole numbers; got {values.dtype}")
    if len(values) != num_images:
        raise ValueError(
            f"images and labels must be as many; got {num_images} images and {len(values)} labels"
        )
    if len(values) and values.min() < 0:
        raise ValueError(f"labels must not be negative; got {int(values.min())}")
    return values.long()


def _first_of_each(
    labels: Int[Tensor, " n"], counts: Counter[int], limit: int | None
) -> Bool[Tensor, " n"]:
    """Which of a batch's images are among the first ``limit`` of their class; counts them."""
    keep = torch.ones(len(labels), dtype=torch.bool)
    if limit is None:
        return keep
    for index, label in enumerate(labels.tolist()):
        keep[index] = counts[label] < limit
        counts[label] += 1
    return keep


def _check_sizes(images: Sequence[Tensor]) -> None:
    sizes = sorted({tuple(batch.shape[1:]) for batch in images})
    if len(sizes) > 1:
        raise ValueError(f"images must be of one size; got {' and '.join(map(str, sizes[:3]))}")


def _names(data: object, class_names: Sequence[str] | None) -> tuple[str, ...]:
    """The names given, or those of a torchvision dataset; empty where there are none."""
    if class_names is not None:
        return tuple(class_names)
    dataset = data.dataset if isinstance(data, DataLoader) else data
    own = getattr(dataset, "classes", ())
    is_names = isinstance(own, list | tuple) and all(isinstance(name, str) for name in own)
    return tuple(own) if is_names else ()
