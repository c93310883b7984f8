"""Clean images out of a folder: a subfolder per class, or the class in the file's name."""

from collections.abc import Mapping
from pathlib import Path

from exray.images.decoded import LabelledSamples, check_limit, decode_listing
from exray.images.decoding import check_geometry
from exray.images.folder_listing import list_folder


def read_folder(
    root: Path,
    *,
    num_classes: int | None,
    size: int | None,
    crop: int | None,
    limit_per_class: int | None,
    class_indices: Mapping[str, int] | None = None,
) -> LabelledSamples:
    """The clean images in a folder as samples, with warnings.

    Args:
        root: See :func:`exray.images.folder_listing.list_folder`.
        num_classes: Number of classes of the classifier; None takes the largest index there is,
            that of ``classes.json`` included, plus one.
        size: See :func:`exray.images.decoded.decode_listing`.
        crop: Likewise.
        limit_per_class: Likewise.
        class_indices: The index of each class name where there is no ``classes.json``.

    Raises:
        ValueError: If the folder cannot be listed, no image in it can be read, images differ in
            size, or a class is none of the classifier's.
    """
    if num_classes is not None and num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, or None; got {num_classes}")
    check_geometry(size, crop)
    check_limit(limit_per_class)
    listing = list_folder(root, class_indices=class_indices)
    decoded = decode_listing(listing, size=size, crop=crop, limit_per_class=limit_per_class)
    return decoded.labelled(num_classes)
