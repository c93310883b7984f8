"""CIFAR-10 in its forms without pickles: binary batches, arrays, tables, image folders."""

import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from exray.images.cifar10.layout import BATCHES, holds_pickles, split_files
from exray.images.cifar10.parquet import read_parquet
from exray.images.decoding import decode_image
from exray.images.folder import read_folder
from exray.images.samples import SampleSet
from exray.images.sources.base import Split

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_SIDE = 32
_RECORD_BYTES = 1 + 3 * _SIDE * _SIDE  # label, then the red, green and blue planes

_logger = logging.getLogger(__name__)


def read_cifar10(path: Path, *, split: Split, limit_per_class: int | None) -> SampleSet:
    """CIFAR-10's images with the names of its ten classes.

    Args:
        path: One binary batch (``.bin``), an ``.npz`` file with ``images`` and ``labels``, or with
            ``jpeg`` (files end to end), ``offsets`` and ``labels``, a ``.parquet`` file, a folder
            with both splits (see :func:`exray.images.cifar10.layout.split_files`), or an image
            folder as :func:`exray.images.folder.read_folder` takes it, its classes by index or
            name.
        split: Which split of a folder; a file or a folder without splits is taken whole.
        limit_per_class: At most so many images per class, the first ones; None for all.

    Raises:
        ValueError: If the path is missing, holds Python pickles, which are never opened, or is
            truncated or not CIFAR-10.
    """
    if limit_per_class is not None and limit_per_class < 1:
        raise ValueError(f"limit_per_class must be at least 1, or None; got {limit_per_class}")
    if path.is_dir():
        return _read_directory(path, split, limit_per_class)
    if not path.is_file():
        raise ValueError(
            f"CIFAR-10 must be a file or folder; {path} does not exist; unpack the binary version "
            "(cifar-10-binary.tar.gz) and name its folder"
        )
    return _read_files([path], limit_per_class)


def _not_cifar10(path: Path, problem: str) -> ValueError:
    return ValueError(
        f"{path} {problem}; give CIFAR-10 as binary batches (.bin), as an .npz file with images "
        "and labels, as .parquet files, or as a folder of images by class"
    )


def _read_directory(path: Path, split: Split, limit_per_class: int | None) -> SampleSet:
    files = split_files(path, split)
    if files and files[0].is_file():
        return _read_files(files, limit_per_class)
    if not files and holds_pickles(path):
        raise _not_cifar10(path, "holds Python pickles, which are never opened")
    others = [file for suffix in ("npz", "bin") for file in sorted(path.glob(f"*.{suffix}"))]
    if not files and others:
        names = ", ".join(file.name for file in others)
        raise _not_cifar10(path, f"has no {BATCHES[split]}; name one file of it ({names})")
    return _read_images(files[0] if files else path, limit_per_class)


def _read_files(paths: list[Path], limit_per_class: int | None) -> SampleSet:
    """Files of one kind together."""
    suffix = paths[0].suffix
    if suffix == ".bin":
        return _read_batches(paths, limit_per_class)
    if suffix == ".npz":
        return _read_arrays(paths[0], limit_per_class)
    if suffix == ".parquet":
        return _read_tables(paths, limit_per_class)
    raise _not_cifar10(paths[0], f"ends in {suffix!r}, not .bin, .npz or .parquet")


def _read_images(path: Path, limit_per_class: int | None) -> SampleSet:
    folder = read_folder(
        path,
        num_classes=10,
        size=None,
        crop=None,
        limit_per_class=limit_per_class,
        class_indices={name: index for index, name in enumerate(CIFAR10_CLASSES)},
    )
    for warning in folder.warnings:
        _logger.warning("%s: %s", path, warning)
    height, width = folder.samples.images.shape[2:]
    if (height, width) != (_SIDE, _SIDE):
        raise _not_cifar10(path, f"holds images of {width} x {height} pixels, not 32 x 32")
    return folder.samples


def _read_tables(paths: list[Path], limit_per_class: int | None) -> SampleSet:
    rows = [row for path in paths for row in read_parquet(path)]
    numbers = np.array([label for _, label in rows], dtype=np.int64)
    _check_labels(paths[0], numbers)
    labels = torch.from_numpy(numbers)
    keep = _first_of_each(labels, limit_per_class)
    images = [_decoded_one(paths[0], rows[index][0], index) for index in keep.tolist()]
    return SampleSet(images=torch.stack(images), labels=labels[keep], class_names=CIFAR10_CLASSES)


def _read_batches(paths: list[Path], limit_per_class: int | None) -> SampleSet:
    records = []
    for path in paths:
        data = np.fromfile(path, dtype=np.uint8)
        if len(data) == 0 or len(data) % _RECORD_BYTES:
            raise _not_cifar10(
                path,
                f"is truncated or no batch: its {len(data)} bytes are not a whole number of "
                f"{_RECORD_BYTES}-byte records",
            )
        records.append(data.reshape(-1, _RECORD_BYTES))
        _check_labels(path, records[-1][:, 0].astype(np.int64))
    table = torch.from_numpy(np.concatenate(records))
    labels = table[:, 0].long()
    keep = _first_of_each(labels, limit_per_class)
    images = table[keep, 1:].reshape(-1, 3, _SIDE, _SIDE)
    return _samples(images, labels[keep])


def _read_arrays(path: Path, limit_per_class: int | None) -> SampleSet:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _not_cifar10(path, f"is truncated or holds no plain arrays ({error})") from error
    if "labels" not in arrays or not {"images", "jpeg"} & set(arrays):
        raise _not_cifar10(path, f"has {', '.join(arrays) or 'no arrays'}, not images and labels")
    _check_labels(path, arrays["labels"])
    labels = torch.from_numpy(arrays["labels"].astype(np.int64))
    keep = _first_of_each(labels, limit_per_class)
    if "jpeg" in arrays:
        images = _decoded(path, arrays, keep)
        return SampleSet(images=images, labels=labels[keep], class_names=CIFAR10_CLASSES)
    stored = arrays["images"]
    if stored.dtype != np.uint8 or stored.shape != (len(labels), _SIDE, _SIDE, 3):
        raise _not_cifar10(
            path,
            f"must hold images as uint8 of shape ({len(labels)}, 32, 32, 3), as many as labels, "
            f"and has {stored.dtype} of shape {stored.shape}",
        )
    return _samples(torch.from_numpy(stored)[keep].permute(0, 3, 1, 2), labels[keep])


def _decoded(
    path: Path, arrays: Mapping[str, np.ndarray], keep: Int[Tensor, " m"]
) -> Float[Tensor, "m 3 h w"]:
    """The chosen ones of JPEG files that lie end to end."""
    data, offsets = arrays["jpeg"], arrays.get("offsets", np.zeros(0, dtype=np.int64))
    whole = offsets.dtype.kind in "iu" and data.dtype == np.uint8 and data.ndim == 1
    fits = whole and offsets.shape == (len(arrays["labels"]) + 1,) and offsets[-1] <= len(data)
    if not fits or offsets[0] < 0 or (np.diff(offsets.astype(np.int64)) < 1).any():
        raise _not_cifar10(
            path, "must hold rising offsets into jpeg, one more than labels, and does not"
        )
    images = []
    for index in keep.tolist():
        file = data[offsets[index] : offsets[index + 1]].tobytes()
        images.append(_decoded_one(path, file, index))
    return torch.stack(images)


def _decoded_one(path: Path, file: bytes, index: int) -> Float[Tensor, "3 h w"]:
    image = decode_image(file, name=f"{index} of {path}", size=None, crop=None)
    if image.shape != (3, _SIDE, _SIDE):
        raise _not_cifar10(path, f"has image {index} of another size than 32 x 32")
    return image


def _check_labels(path: Path, labels: np.ndarray) -> None:
    whole = labels.ndim == 1 and labels.dtype.kind in "iu" and len(labels) > 0
    if not whole or labels.min() < 0 or labels.max() > 9:
        raise _not_cifar10(path, "must hold labels from 0 to 9, and does not")


def _first_of_each(labels: Int[Tensor, " n"], limit_per_class: int | None) -> Int[Tensor, " m"]:
    """Indices of the first images of each class, in stored order."""
    if limit_per_class is None:
        return torch.arange(len(labels))
    rows = [(labels == index).nonzero().flatten()[:limit_per_class] for index in range(10)]
    return torch.cat(rows).sort().values


def _samples(images: UInt8[Tensor, "n 3 h w"], labels: Int[Tensor, " n"]) -> SampleSet:
    return SampleSet(
        images=images.contiguous().float().div(255), labels=labels, class_names=CIFAR10_CLASSES
    )
