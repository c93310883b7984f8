"""The clean images a user names, in whatever form: a folder by class, or CIFAR-10."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from exray.images.cifar10.layout import is_cifar10
from exray.images.cifar10.reader import read_cifar10
from exray.images.class_names import NO_NAMES
from exray.images.decoded import DecodedImages, LabelledSamples, check_limit, decode_listing
from exray.images.decoding import check_geometry
from exray.images.folder_listing import list_folder
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
) -> SampleSet:
    """The clean images in a folder, by class; what the user should know is logged as a warning.

    Args:
        folder: One subfolder per class, files named ``class_3_example_1.png``, or CIFAR-10; see
            :func:`decode_clean_images`.
        size: Side in pixels to resize to (the shorter side, if cropped); None leaves it.
        crop: Side in pixels of a crop from the centre; None for none.
        limit_per_class: At most so many images per class; None for all.
        num_classes: Number of classes of the classifier; None for that of the images.
        class_indices: The index of each class by the classifier's own names, by which folders may
            be named.
        exif_orientation: Whether images are turned as their EXIF orientation says.

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
    )
    loaded = decoded.labelled(num_classes, class_indices=class_indices)
    for warning in loaded.warnings:
        _logger.warning("%s: %s", path, warning)
    return loaded.samples


def are_clean_images(path: Path) -> bool:
    """Whether a path can be given: a folder, or a file of CIFAR-10.

    Args:
        path: What the user named.
    """
    return path.is_dir() or is_cifar10(path)


@dataclass(frozen=True, kw_only=True)
class Cifar10Images:
    """CIFAR-10's images, decoded.

    Args:
        path: Where they came from.
        samples: With CIFAR-10's classes.
    """

    path: Path
    samples: SampleSet

    @property
    def images(self) -> Float[Tensor, "n 3 h w"]:
        """RGB in [0, 1]."""
        return self.samples.images

    def labelled(
        self, num_classes: int | None, *, class_indices: Mapping[str, int] = NO_NAMES
    ) -> LabelledSamples:
        """The samples, for a classifier of ten classes.

        Args:
            num_classes: Number of classes of the classifier; None for ten.
            class_indices: Without effect: these images have names of their own.

        Raises:
            ValueError: If the classifier has another number of classes.
        """
        del class_indices
        if num_classes not in (None, self.samples.num_classes):
            raise ValueError(
                f"the network has {num_classes} classes, and {self.path} holds CIFAR-10, which has "
                f"{self.samples.num_classes}; name images of the network's own classes"
            )
        return LabelledSamples(samples=self.samples, warnings=())


def decode_clean_images(
    path: Path,
    *,
    size: int | None,
    crop: int | None,
    limit_per_class: int | None,
    exif_orientation: bool = False,
) -> DecodedImages | Cifar10Images:
    """The clean images at a path, decoded once; ``labelled`` makes them a classifier's samples.

    CIFAR-10 is recognised by its files, never by the names of folders; of both splits the test
    images are taken. Anything else is a folder of images by class.

    Args:
        path: See :func:`exray.images.cifar10.reader.read_cifar10` and
            :func:`exray.images.folder_listing.list_folder`.
        size: Side to resize to, in pixels; CIFAR-10 stays as it is.
        crop: Side of the centre crop, in pixels; likewise.
        limit_per_class: At most so many images per class; None for all.
        exif_orientation: Whether images are turned as their EXIF orientation says.

    Raises:
        ValueError: If the images cannot be read, or CIFAR-10 is to be resized.
    """
    check_geometry(size, crop)
    check_limit(limit_per_class)
    if not is_cifar10(path):
        return decode_listing(
            list_folder(path),
            size=size,
            crop=crop,
            limit_per_class=limit_per_class,
            exif_orientation=exif_orientation,
        )
    if size not in (None, 32) or crop not in (None, 32):
        raise ValueError(
            f"CIFAR-10 is read at 32 x 32 pixels; got size={size} and crop={crop}; for a network "
            "that takes another size give a folder of images"
        )
    samples = read_cifar10(path, split="test", limit_per_class=limit_per_class)
    return Cifar10Images(path=path, samples=samples)
