"""The clean images a user names, in whatever form they are there, as samples."""

import logging
from collections.abc import Mapping
from pathlib import Path

from exray.images.class_names import NO_NAMES
from exray.images.decoded import DecodedImages, check_limit, decode_listing
from exray.images.decoding import check_geometry
from exray.images.interpolation import Interpolation
from exray.images.layouts.detection import FILE_SUFFIXES, list_images
from exray.images.samples import SampleSet

_logger = logging.getLogger(__name__)


def load_samples(
    folder: str | Path,
    *,
    size: int | None = None,
    crop: int | None = None,
    limit_per_class: int | None = None,
    num_classes: int | None = None,
    class_indices: Mapping[str, int] = NO_NAMES,
    exif_orientation: bool = False,
    interpolation: Interpolation = "bilinear",
) -> SampleSet:
    """The clean images at a place, by class; what the user should know is logged as a warning.

    Args:
        folder: One subfolder per class, or another layout of ``docs/images.md``; see
            :func:`exray.images.layouts.detection.list_images`.
        size: Side in pixels to resize to (the shorter side, if cropped); None leaves it.
        crop: Side in pixels of a crop from the centre; None for none.
        limit_per_class: At most so many images per class; None for all.
        num_classes: Number of classes of the classifier; None for that of the images.
        class_indices: The index of each class by the classifier's own names, by which folders may
            be named.
        exif_orientation: Whether images are turned as their EXIF orientation says.
        interpolation: Of the resizing.

    Raises:
        ValueError: If the images cannot be read, differ in size, or do not fit the classes.
    """
    path = Path(folder)
    decoded = decode_clean_images(
        path,
        size=size,
        crop=crop,
        limit_per_class=limit_per_class,
        exif_orientation=exif_orientation,
        interpolation=interpolation,
    )
    loaded = decoded.labelled(num_classes, class_indices=class_indices)
    for warning in loaded.warnings:
        _logger.warning("%s: %s", path, warning)
    return loaded.samples


def are_clean_images(path: Path) -> bool:
    """Whether a path can be given: a folder, or a file that holds or lists images of classes.

    Args:
        path: What the user named.
    """
    return path.is_dir() or (path.is_file() and path.suffix.lower() in FILE_SUFFIXES)


def decode_clean_images(
    path: Path,
    *,
    size: int | None,
    crop: int | None,
    limit_per_class: int | None,
    exif_orientation: bool = False,
    interpolation: Interpolation = "bilinear",
) -> DecodedImages:
    """The clean images at a path, decoded once; ``labelled`` makes them a classifier's samples.

    Args:
        path: See :func:`exray.images.layouts.detection.list_images`.
        size: Side to resize to, in pixels; None leaves it.
        crop: Side of the centre crop, in pixels; None for none.
        limit_per_class: At most so many images per class; None for all.
        exif_orientation: Whether images are turned as their EXIF orientation says.
        interpolation: Of the resizing.

    Raises:
        ValueError: If the images cannot be found or read, or differ in size.
    """
    check_geometry(size, crop)
    check_limit(limit_per_class)
    return decode_listing(
        list_images(path, limit_per_class=limit_per_class),
        size=size,
        crop=crop,
        limit_per_class=limit_per_class,
        exif_orientation=exif_orientation,
        interpolation=interpolation,
    )
