"""Images and labels in NumPy's archives."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from exray.images.image_files import entries_of
from exray.images.layouts.arrays import list_pixels, list_rows
from exray.images.layouts.splits import images_of, in_order_of_splits, said, split_of
from exray.images.listing import ImageListing

_IMAGE_KEYS = ("images", "x", "data")
_LABEL_KEYS = ("labels", "y", "label")


def find_archives(root: Path) -> ImageListing | None:
    """Images and labels in NumPy's ``.npz`` archives; None where there are none.

    Args:
        root: A folder with ``.npz`` files, of whose splits one is taken.

    Raises:
        ValueError: If an archive is damaged, holds pickles or no images with labels.
    """
    files = [path for path in entries_of(root)[1] if path.suffix == ".npz"]
    if not files:
        return None
    split, chosen = in_order_of_splits((split_of(path.name), path) for path in files)[0]
    largest = max(chosen, key=lambda path: path.stat().st_size)
    listing = read_archive(largest)
    remarks = said(images_of(split or largest.name), root, is_only=len(files) == 1)
    return replace(listing, remarks=(*listing.remarks, *remarks))


def read_archive(path: Path) -> ImageListing:
    """The images of one ``.npz`` archive.

    It holds ``images`` (bytes, n x h x w or n x h x w x 3) and ``labels``, also called ``x`` and
    ``y``, alone or for several splits (``x_test``, ``test_images``); or ``jpeg`` (image files end
    to end), ``offsets`` and ``labels``.

    Args:
        path: The file.

    Raises:
        ValueError: If it is damaged, holds pickles or no images with labels.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            pairs = _pairs_in(archive.files)
            if not pairs:
                listed = ", ".join(archive.files) or "no arrays"
                raise ValueError(f"it has {listed}, not images and labels")
            split, chosen = in_order_of_splits(pairs)[0]
            images, labels = archive[chosen[0][0]], archive[chosen[0][1]].reshape(-1)
            offsets = archive["offsets"] if "offsets" in archive.files else None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is no archive of images that can be read ({error}); it must hold plain arrays "
            "images (bytes, n x height x width x 3) and labels"
        ) from error
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{path} must hold labels as whole numbers; got {labels.dtype}")
    if images.ndim == 1:
        return _list_files(path, images, offsets, labels)
    images = images[..., None] if images.ndim == 3 else images
    fits = images.ndim == 4 and images.dtype == np.uint8 and images.shape[3] in (1, 3)
    if not fits or len(images) != len(labels):
        raise ValueError(
            f"{path} must hold images as uint8 of shape n x height x width, with 1 or 3 channels "
            f"last, as many as labels; got {images.dtype} of shape {images.shape}"
        )
    remarks = said(images_of(split), path, is_only=len(pairs) == 1)
    return list_pixels(path, images, labels.astype(np.int64), remarks=remarks)


def _pairs_in(names: Sequence[str]) -> list[tuple[str, tuple[str, str]]]:
    """The splits of an archive, each with the names of its images and labels."""
    if {"jpeg", "labels"} <= set(names):
        return [("", ("jpeg", "labels"))]
    by_split: dict[str, dict[str, str]] = {}
    for name in names:
        split = split_of(name)
        kind = name.lower().replace(split, "").strip("-_.") if split else name.lower()
        by_split.setdefault(split, {})[kind] = name
    pairs = []
    for split, kinds in by_split.items():
        image = next((kinds[kind] for kind in _IMAGE_KEYS if kind in kinds), None)
        label = next((kinds[kind] for kind in _LABEL_KEYS if kind in kinds), None)
        if image is not None and label is not None:
            pairs.append((split, (image, label)))
    return pairs


def _list_files(
    path: Path, data: np.ndarray, offsets: np.ndarray | None, labels: np.ndarray
) -> ImageListing:
    """Image files that lie end to end."""
    ends = np.zeros(0, dtype=np.int64) if offsets is None else offsets
    whole = ends.dtype.kind in "iu" and data.dtype == np.uint8
    fits = whole and ends.shape == (len(labels) + 1,) and ends[-1] <= len(data)
    if not fits or ends[0] < 0 or (np.diff(ends.astype(np.int64)) < 1).any():
        raise ValueError(
            f"{path} must hold rising offsets into jpeg, one more than labels, and does not"
        )
    return list_rows(
        path, labels.astype(np.int64), lambda row: data[ends[row] : ends[row + 1]].tobytes()
    )
