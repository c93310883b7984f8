"""A hash of the clean images that a run reads, without reading the others."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from exray.images.image_files import is_image_name, natural_key
from exray.images.layouts.label_file import SUFFIXES, list_label_file

_BLOCK = 2**20  # bytes


def images_fingerprint(path: Path, *, limit_per_class: int | None) -> str:
    """A hash that changes with every file that is read of a place with clean images.

    Of image files the first ``limit_per_class`` of each folder are hashed, and of the others name
    and size: a thousand huge photographs cost no more than those that are used.

    Args:
        path: What the user named; a file or a folder.
        limit_per_class: How many images of each class are read; None for all.
    """
    if path.is_dir():
        lines = list(_lines(path, limit_per_class))
    elif path.suffix.lower() in SUFFIXES:
        lines = [_sha256(path), *_listed(path, limit_per_class)]
    else:
        lines = [_sha256(path)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _lines(root: Path, limit: int | None) -> Iterator[str]:
    """A line for each file below a folder."""
    for folder, inner, names in os.walk(root):
        inner.sort()
        images = sorted(filter(is_image_name, names), key=natural_key)
        passed_over = set(() if limit is None else images[limit:])
        for name in sorted(names, key=natural_key):
            path = Path(folder, name)
            if path.is_file():
                content = str(path.stat().st_size) if name in passed_over else _sha256(path)
                yield f"{path.relative_to(root)} {content}"


def _listed(path: Path, limit: int | None) -> list[str]:
    """A line for each image that a label file names and a run reads; none where it is broken."""
    try:
        listing = list_label_file(path)
    except ValueError:
        return []  # said when the images are loaded
    files = [Path(entry.name) for entries in listing.entries.values() for entry in entries[:limit]]
    return [f"{file.name} {_sha256(file)}" for file in files if file.is_file()]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
