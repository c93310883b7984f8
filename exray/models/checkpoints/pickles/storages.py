"""The numbers of a checkpoint's tensors, read one storage at a time."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from exray.models.checkpoints.pickles.policy import storage_of, storage_width
from exray.models.checkpoints.pickles.values import BrokenPickleError, StorageRef
from exray.models.checkpoints.zip_archive import Archive
from exray.text import shown


class FileStorages:
    """A file's storages, each read at first use and kept.

    Args:
        read: A storage's bytes by its key and length.
        is_little_endian: How its numbers are stored.
    """

    def __init__(
        self,
        read: Callable[[str, int], torch.UntypedStorage],
        *,
        is_little_endian: bool = True,
    ) -> None:
        self._read = read
        self._is_little_endian = is_little_endian
        self._kept: dict[str, torch.UntypedStorage] = {}

    def read(self, stored: StorageRef) -> torch.UntypedStorage:
        """A storage's numbers, or the part of one that a file of the older form asks for.

        Args:
            stored: As a checked pickle asks for it.

        Raises:
            BrokenPickleError: If it is not as long as the pickle says.
        """
        key, length = storage_of(stored)
        if not self._is_little_endian and storage_width(stored) > 1:
            raise BrokenPickleError("keeps its numbers in big-endian order")
        if key not in self._kept:
            storage = self._read(key, length)
            if storage.nbytes() != length:
                raise BrokenPickleError(f"claims {length} bytes for storage {shown(key)}")
            self._kept[key] = storage
        return _viewed(self._kept[key], stored)


def _viewed(storage: torch.UntypedStorage, stored: StorageRef) -> torch.UntypedStorage:
    assert isinstance(stored.key, tuple), stored
    view = stored.key[5] if len(stored.key) > 5 else None
    if view is None:
        return storage
    _, offset, length = view
    width = storage_width(stored)
    part: torch.UntypedStorage = storage[offset * width : (offset + length) * width]
    return part


def zip_storages(archive: Archive) -> FileStorages:
    """Those of a zip archive that ``torch.save`` wrote.

    Args:
        archive: A checked one.
    """
    order = archive.read("byteorder") if "byteorder" in archive.sizes else b"little"

    def read(key: str, length: int) -> torch.UntypedStorage:
        reader = torch._C.PyTorchFileReader(str(archive.path))
        record = reader.get_storage_from_record(f"data/{key}", length, torch.uint8)
        return record.untyped_storage()

    return FileStorages(read, is_little_endian=order == b"little")


def legacy_storages(path: Path, places: Mapping[str, int]) -> FileStorages:
    """Those of the form before torch 1.6, which follow the pickles.

    Args:
        path: The file.
        places: Where each storage's numbers begin, in bytes, by key.
    """

    def read(key: str, length: int) -> torch.UntypedStorage:
        if key not in places:
            raise BrokenPickleError(f"asks for storage {shown(key)}, which is not in the file")
        with path.open("rb") as file:
            file.seek(places[key])
            data = bytearray(file.read(length))
        if len(data) != length:
            raise BrokenPickleError(f"ends inside storage {shown(key)}")
        numbers = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0)
        return numbers.untyped_storage()

    return FileStorages(read)
