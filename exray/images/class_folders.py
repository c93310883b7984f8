"""The image files of each class where every class has a folder, without reading them."""

from pathlib import Path

from exray.images.decoding import EXTENSIONS
from exray.images.folder import natural_key, read_class_indices


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
    found = [each.name for each in root.iterdir() if each.is_dir() and each.name[0] != "."]
    if not found:
        raise ValueError(f"{root} must hold one subfolder of images a class; it holds none")
    indices = read_class_indices(root)
    if indices and sorted(indices.values()) != list(range(len(indices))):
        raise ValueError(f"{root / 'classes.json'} must number its classes from 0 without gaps")
    if indices and set(indices) != set(found):
        differing = sorted(set(indices) ^ set(found), key=natural_key)
        raise ValueError(
            f"{root / 'classes.json'} must name the subfolders of {root}; they differ in "
            f"{', '.join(differing[:10])}"
        )
    return tuple(sorted(found, key=indices.__getitem__ if indices else natural_key))


def _images_below(folder: Path) -> list[Path]:
    inside = [each for each in folder.rglob("*") if each.suffix.lower() in EXTENSIONS]
    shown = [each for each in inside if not each.name.startswith(".") and each.is_file()]
    if not shown:
        raise ValueError(f"{folder} must hold images of its class; it holds none")
    return sorted(shown, key=lambda each: natural_key(each.relative_to(folder).as_posix()))
