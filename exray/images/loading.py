"""The clean images a user names, in whatever form: a folder by class, or CIFAR-10."""

from pathlib import Path

from exray.images.cifar10.layout import is_cifar10
from exray.images.cifar10.reader import CIFAR10_CLASSES, read_cifar10
from exray.images.folder import FolderSamples, read_folder


def are_clean_images(path: Path) -> bool:
    """Whether a path can be given: a folder, or a file of CIFAR-10.

    Args:
        path: What the user named.
    """
    return path.is_dir() or is_cifar10(path)


def read_clean_images(
    path: Path,
    *,
    num_classes: int | None,
    size: int | None,
    crop: int | None,
    limit_per_class: int | None,
) -> FolderSamples:
    """The clean images at a path, with what is odd about them.

    CIFAR-10 is recognised by its files, or by folders that have its classes' names; of both
    splits the test images are taken. Anything else is a folder of images by class.

    Args:
        path: See :func:`exray.images.cifar10.reader.read_cifar10` and
            :func:`exray.images.folder.read_folder`.
        num_classes: Number of classes of the classifier; None for that of the images.
        size: Side to resize to, in pixels; CIFAR-10 stays as it is.
        crop: Side of the centre crop, in pixels; likewise.
        limit_per_class: At most so many images of each class; None for all.

    Raises:
        ValueError: If the images cannot be read, or CIFAR-10 is to be resized or the classifier
            has another number of classes.
    """
    if not is_cifar10(path) and not _has_class_names(path) and not _has_class_names(path / "test"):
        return read_folder(
            path,
            num_classes=num_classes,
            size=size,
            crop=crop,
            limit_per_class=limit_per_class,
        )
    if size not in (None, 32) or crop not in (None, 32):
        raise ValueError(
            f"CIFAR-10 is read at 32 x 32 pixels; got dataset.preprocess.size={size} and "
            f"crop={crop}; for a network that takes another size give a folder of images"
        )
    samples = read_cifar10(path, split="test", limit_per_class=limit_per_class)
    if num_classes not in (None, samples.num_classes):
        raise ValueError(
            f"the network has {num_classes} classes, and {path} holds CIFAR-10, which has "
            f"{samples.num_classes}; name images of the network's own classes"
        )
    return FolderSamples(samples=samples, warnings=())


def _has_class_names(path: Path) -> bool:
    """Whether a folder's subfolders are named as CIFAR-10's classes, and nothing says otherwise."""
    if not path.is_dir() or (path / "classes.json").is_file():
        return False
    names = {each.name for each in path.iterdir() if each.is_dir()}
    return bool(names) and names <= set(CIFAR10_CLASSES)
