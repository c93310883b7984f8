"""The tensors of a stored scan, read when they are used."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from exray.errors import RecordError

SCAN_AGAIN = "remove that folder and scan the model again"


class StoredTensors(Mapping[str, NDArray[np.generic]]):
    """The tensors of a stored scan, read from the disk on access.

    Only the file read last is held in memory, so that a report of many models needs no more.

    Args:
        path: The file; without it there are none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> Mapping[str, NDArray[np.generic]]:
        try:
            stamp = self.path.stat()
        except FileNotFoundError:
            return {}
        return _read_tensors(self.path, (stamp.st_ino, stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=1)
def _read_tensors(path: Path, stamp: tuple[int, int, int]) -> Mapping[str, NDArray[np.generic]]:
    """All tensors in a file; the stamp tells a file from one that replaced it."""
    del stamp
    try:
        return dict(load_tensors(path.read_bytes()))
    except SafetensorError as error:
        raise RecordError(path, f"is broken ({error})", SCAN_AGAIN) from error
