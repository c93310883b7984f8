"""Image files below a folder, in natural order. Imports no torch."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

EXTENSIONS = (
    ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".gif", ".tif", ".tiff",
)  # fmt: skip
_HIDDEN = (".", "__MACOSX")  # what macOS and editors leave behind


def is_image_name(name: str) -> bool:
    """Whether a file's name has the ending of an image.

    Example:
        >>> is_image_name("cat.JPEG"), is_image_name("cat.txt")
        (True, False)
    """
    return name.lower().endswith(EXTENSIONS)


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """A sort key under which numbers inside a name count as numbers.

    Args:
        name: A file's or folder's name.

    Example:
        >>> sorted(["img10", "img2", "7"], key=natural_key)
        ['7', 'img2', 'img10']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    key = tuple((0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts)
    return (*key, (-1, name))  # 01 and 1 keep an order of their own


def entries_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the files in a folder, in natural order; hidden ones are left out.

    No file is opened: the folder's own list says which is which, so that a folder of a million
    files is listed in seconds.

    Args:
        folder: The folder.
    """
    folders: list[Path] = []
    files: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(_HIDDEN):
                (folders if entry.is_dir() else files).append(folder / entry.name)
    return _in_order(folders), _in_order(files)


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a folder and in the folders in it; links to folders are not followed.

    Args:
        folder: The folder.
    """
    folders, files = entries_of(folder)
    inner = set(folders)
    for entry in _in_order([*folders, *files]):
        if entry not in inner:
            yield entry
        elif not entry.is_symlink():
            yield from files_below(entry)


def _in_order(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: natural_key(path.name))
