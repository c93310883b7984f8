"""The clean images a user names, in whatever form: a folder by class, or CIFAR-10."""

import logging
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from exray.images.cifar10.layout import is_cifar10
from exray.images.cifar10.reader import CIFAR10_CLASSES, read_cifar10
from exray.images.folder import DecodedImages, FolderSamples, decode_folder
from exray.images.samples import SampleSet

_logger = logging.getLogger(__name__)


def load_samples(
    folder: str | Path,
    *,
    size: int | None = None,
    crop: int | None = None,
    limit_per_class: int | None = None,
    num_classes: int | None = None,
) -> SampleSet:
    """The clean images in a folder, by class; what the user should know is logged as a warning.

    Args:
        folder: One subfolder per class, files named ``class_3_example_1.png``, or CIFAR-10; see
            :func:`decode_clean_images`.
        size: Side in pixels to resize to (the shorter side, if cropped); None leaves it.
        crop: Side in pixels of a crop from the centre; None for none.
        limit_per_class: At most so many images per class; None for all.
        num_classes: Number of classes of the classifier; None for that of the images.

    Raises:
        ValueError: If the images cannot be read, differ in size, or do not fit the classes.
    """
    path = Path(folder)
    decoded = decode_clean_images(path, size=size, crop=crop, limit_per_class=limit_per_class)
    loaded = decoded.labelled(num_classes)
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

    def labelled(self, num_classes: int | None) -> FolderSamples:
        """The samples, for a classifier of ten classes.

        Raises:
            ValueError: If the classifier has another number of classes.
        """
        if num_classes not in (None, self.samples.num_classes):
            raise ValueError(
                f"the network has {num_classes} classes, and {self.path} holds CIFAR-10, which has "
                f"{self.samples.num_classes}; name images of the network's own classes"
            )
        return FolderSamples(samples=self.samples, warnings=())


def decode_clean_images(
    path: Path, *, size: int | None, crop: int | None, limit_per_class: int | None
) -> DecodedImages | Cifar10Images:
    """The clean images at a path, decoded once; ``labelled`` makes them a classifier's samples.

    CIFAR-10 is recognised by its files, or by folders that have its classes' names; of both
    splits the test images are taken. Anything else is a folder of images by class.

    Args:
        path: See :func:`exray.images.cifar10.reader.read_cifar10` and
            :func:`exray.images.folder.decode_folder`.
        size: Side to resize to, in pixels; CIFAR-10 stays as it is.
        crop: Side of the centre crop, in pixels; likewise.
        limit_per_class: At most so many images per class; None for all.

    Raises:
        ValueError: If the images cannot be read, or CIFAR-10 is to be resized.
    """
    if not is_cifar10(path) and not _has_class_names(path) and not _has_class_names(path / "test"):
        return decode_folder(path, size=size, crop=crop, limit_per_class=limit_per_class)
    if size not in (None, 32) or crop not in (None, 32):
        raise ValueError(
            f"CIFAR-10 is read at 32 x 32 pixels; got size={size} and crop={crop}; for a network "
            "that takes another size give a folder of images"
        )
    samples = read_cifar10(path, split="test", limit_per_class=limit_per_class)
    return Cifar10Images(path=path, samples=samples)


def _has_class_names(path: Path) -> bool:
    """Whether a folder's subfolders are named as CIFAR-10's classes, and nothing says otherwise."""
    if not path.is_dir() or (path / "classes.json").is_file():
        return False
    names = {entry.name for entry in path.iterdir() if entry.is_dir()}
    return bool(names) and names <= set(CIFAR10_CLASSES)
