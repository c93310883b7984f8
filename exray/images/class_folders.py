"""The image files of each class where every class has a folder, without reading them."""

from pathlib import Path

from exray.images.class_names import read_class_indices
from exray.images.image_files import files_below, is_image_name, natural_key


def class_files(root: Path, *, names: tuple[str, ...]) -> list[list[Path]]:
    """The image files in each class's folder and below it, in natural order; hidden ones left out.

    Args:
        root: Holds a folder for each class.
        names: The classes' folders.

    Raises:
        ValueError: If a class has no folder or no image.
    """
    return [_images_below(root / name) for name in names]


def class_folders(root: Path) -> tuple[str, ...]:
    """The classes' folders in the order of their indices.

    The order is that of ``classes.json`` where there is one, else the natural one of the names.

    Args:
        root: Holds a folder for each class.

    Raises:
        ValueError: If there is none, or ``classes.json`` is not understood or names others.
    """
    names = [path.name for path in root.iterdir() if path.is_dir() and path.name[0] != "."]
    if not names:
        raise ValueError(f"{root} must hold one subfolder of images per class; it holds none")
    indices = read_class_indices(root)
    if indices and sorted(indices.values()) != list(range(len(indices))):
        raise ValueError(f"{root / 'classes.json'} must number its classes from 0 without gaps")
    if indices and set(indices) != set(names):
        differing = sorted(set(indices) ^ set(names), key=natural_key)
        raise ValueError(
            f"{root / 'classes.json'} must name the subfolders of {root}; they differ in "
            f"{', '.join(differing[:10])}"
        )
    return tuple(sorted(names, key=indices.__getitem__ if indices else natural_key))


def _images_below(folder: Path) -> list[Path]:
    images = [path for path in files_below(folder) if is_image_name(path.name)]
    if not images:
        raise ValueError(f"{folder} must hold images of its class; it holds none")
    return images
