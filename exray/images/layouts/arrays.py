"""Images and labels in memory as a listing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from exray.images.class_names import MAX_CLASSES, ClassKey
from exray.images.listing import ImageEntry, ImageListing, Stored


def list_rows(
    place: Path,
    labels: Int[np.ndarray, " n"],
    read: Callable[[int], Stored],
    *,
    names: Sequence[str] = (),
    remarks: tuple[str, ...] = (),
) -> ImageListing:
    """Images that are read by their row as a listing.

    Args:
        place: Where they come from.
        labels: Class index of each row.
        read: One image by its row.
        names: The classes' names in the order of their indices; empty where there are none.
        remarks: What the user should know.

    Raises:
        ValueError: If a label is no class index, or there is none.
    """
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise ValueError(f"{place} must hold labels from 0 to {MAX_CLASSES - 1}, and does not")
    entries: dict[ClassKey, list[ImageEntry]] = {}
    for row, label in enumerate(labels.tolist()):
        entry = ImageEntry(name=f"{row} of {place}", read=_reader(read, row))
        entries.setdefault(label, []).append(entry)
    return ImageListing(
        place=place,
        entries=entries,
        written={key: str(key) for key in entries},
        names=dict(enumerate(names)),
        names_from=str(place),
        as_folders=False,
        remarks=remarks,
    )


def list_pixels(
    place: Path,
    images: UInt8[np.ndarray, "n h w c"],
    labels: Int[np.ndarray, " num_labels"],
    *,
    names: Sequence[str] = (),
    remarks: tuple[str, ...] = (),
) -> ImageListing:
    """Pixels in memory as a listing.

    Args:
        place: Where they come from.
        images: Grey or RGB.
        labels: Class index of each.
        names: The classes' names in the order of their indices; empty where there are none.
        remarks: What the user should know.

    Raises:
        ValueError: If a label is no class index, or there are not as many as images.
    """
    if len(images) != len(labels):
        raise ValueError(
            f"{place} must hold a label for each image; it has {len(images)} images and "
            f"{len(labels)} labels"
        )
    return list_rows(
        place, labels, lambda row: np.ascontiguousarray(images[row]), names=names, remarks=remarks
    )


def _reader(read: Callable[[int], Stored], row: int) -> Callable[[], Stored]:
    return lambda: read(row)
