"""A hash of the image files that a zoo is built on."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from exray.models.checkpoints.reader import file_sha256

_HASHED = (".bin", ".npz", ".parquet")  # files of many images; of the others the size must do


@lru_cache(maxsize=4)
def hash_of_files(root: Path, files: tuple[Path, ...]) -> str:
    """Hash over the files' names and contents, or sizes where each is one image.

    Args:
        root: The folder that the names are relative to, so that it may lie elsewhere.
        files: Files and folders below it.
    """
    lines = []
    for path in sorted(below for file in files for below in _below(file)):
        content = file_sha256(path) if path.suffix in _HASHED else str(path.stat().st_size)
        lines.append(f"{path.relative_to(root).as_posix()} {content}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _below(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
