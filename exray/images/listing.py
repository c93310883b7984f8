"""Which images there are of each class, before any is read. Imports no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from exray.images.class_names import ClassKey

Stored = bytes | UInt8[np.ndarray, "height width channels"]
"""One image as it is stored: a whole image file, or pixels."""


@dataclass(frozen=True, kw_only=True)
class ImageEntry:
    """One image that can be read.

    Args:
        name: What messages call it.
        read: Its file's bytes, or its pixels; a ``ValueError`` says why it cannot be read.
    """

    name: str
    read: Callable[[], Stored]


@dataclass(frozen=True, kw_only=True)
class ImageListing:
    """The images of each class, in the order in which the first ones are taken.

    Args:
        place: The file or folder that the user named, for messages.
        entries: Images by the class that they say; a class may have none.
        written: How each class is written there.
        names: Name of each class index that has one.
        names_from: Where the names come from, for messages.
        as_folders: Whether classes are named by folders.
        remarks: What the user should know, one sentence each.
    """

    place: Path
    entries: Mapping[ClassKey, Sequence[ImageEntry]]
    written: Mapping[ClassKey, str]
    names: Mapping[int, str] = field(default_factory=dict)
    names_from: str = ""
    as_folders: bool = True
    remarks: tuple[str, ...] = ()


def file_entry(path: Path) -> ImageEntry:
    """An image file as an entry.

    Args:
        path: The file.
    """
    return ImageEntry(name=str(path), read=lambda: _file_bytes(path))


def _file_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ValueError(f"image {path} is no file; leave it out")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"image {path} cannot be read ({error.strerror or error}); name a readable image file"
        ) from error
