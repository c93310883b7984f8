"""A zip archive held to what torch writes, before anything inside it is read."""

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch

_MAX_DIRECTORY = 2**22  # bytes; some 40,000 entries
_MAX_INFLATED = 2**26  # bytes that compressed entries may grow to, all of them together
_MAX_RATIO = 1000  # of an entry; Deflate reaches 1032
_END, _END_BYTES = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20
_TRUNCATED = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error)


class ArchiveError(ValueError):
    """A zip file that no library writes as a checkpoint; the text is a clause on what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The entries of a checked zip archive.

    Args:
        path: The file.
        folder: The one folder at its top; empty where entries lie at the top.
        sizes: Bytes of each entry, by its name inside the folder.
    """

    path: Path
    folder: str
    sizes: dict[str, int]

    def read(self, name: str) -> bytes:
        """An entry's bytes.

        Raises:
            ArchiveError: If it is damaged, or torch's reader finds other bytes there than Python's.
        """
        entry = f"{self.folder}/{name}" if self.folder else name
        try:
            with zipfile.ZipFile(self.path) as archive:
                data = archive.read(entry)
        except (*_TRUNCATED, RuntimeError, EOFError, zlib.error) as error:
            raise ArchiveError(f"is a truncated zip file ({_line(error)})") from error
        if self.folder and self._by_torch(name) != data:
            raise ArchiveError(f"shows two readers two different entries {name!r}")
        return data

    def _by_torch(self, name: str) -> bytes:
        try:
            data: bytes = torch._C.PyTorchFileReader(str(self.path)).get_record(name)
        except RuntimeError as error:
            raise ArchiveError(f"is a truncated zip file ({_line(error)})") from error
        return data


def open_archive(path: Path) -> Archive:
    """A zip archive whose directory can be trusted.

    Nothing is unpacked: names must stay inside one folder and be distinct to every reader, and
    the sizes must be possible for a file of this length.

    Args:
        path: A file that starts like a zip archive.

    Raises:
        ArchiveError: If it is truncated, or none that torch would write.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "m.pt"
        >>> torch.save({"a": torch.ones(2)}, file)
        >>> open_archive(file).sizes["data/0"]
        8
    """
    try:
        length = path.stat().st_size
        _check_end(path, length)
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except _TRUNCATED as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"is a truncated zip file ({_line(error)})") from error
    _check_sizes(entries, length)
    folder = _check_names([entry.filename for entry in entries])
    cut = len(folder) + 1 if folder else 0
    sizes = {entry.filename[cut:]: entry.file_size for entry in entries}
    return Archive(path=path, folder=folder, sizes=sizes)


def _check_end(path: Path, length: int) -> None:
    """The directory must be small, and end where the file ends: then all readers find the same."""
    with path.open("rb") as file:
        file.seek(max(0, length - _LOCATOR_BYTES - _END_BYTES))
        tail = file.read()
        end = tail[-_END_BYTES:]
        if end[:4] != _END or end[-2:] != b"\0\0":
            raise ArchiveError("is a truncated zip file (it does not end as one)")
        (directory,) = struct.unpack("<L", end[12:16])
        if directory == 0xFFFFFFFF and tail[:4] == _LOCATOR:
            file.seek(struct.unpack("<Q", tail[8:16])[0])
            (directory,) = struct.unpack("<40xQ8x", file.read(56))
    if directory > _MAX_DIRECTORY:
        raise ArchiveError(f"is a zip file with a directory of {directory} bytes")


def _check_sizes(entries: list[zipfile.ZipInfo], length: int) -> None:
    stored, inflated, reached = 0, 0, 0
    for entry in sorted(entries, key=lambda other: other.header_offset):
        if entry.flag_bits & 1:
            raise ArchiveError("is an encrypted zip file")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError("is a zip file whose compression torch does not know")
        is_stored = entry.compress_type == zipfile.ZIP_STORED
        if is_stored and entry.file_size != entry.compress_size:
            raise ArchiveError(f"is a zip file that lies about the size of {entry.filename!r}")
        if entry.header_offset < reached:
            raise ArchiveError("is a zip file whose entries overlap")
        reached = entry.header_offset + 30 + entry.compress_size
        stored += entry.compress_size
        inflated += 0 if is_stored else entry.file_size
        if not is_stored and entry.file_size > _MAX_RATIO * max(1, entry.compress_size):
            raise ArchiveError(f"is a zip file that lies about the size of {entry.filename!r}")
    if max(stored, reached) > length:
        raise ArchiveError(f"is a zip file of {length} bytes that claims to hold {stored}")
    if inflated > _MAX_INFLATED:
        raise ArchiveError(
            f"is a zip file of {length} bytes whose compressed entries grow to {inflated}"
        )


def _check_names(names: list[str]) -> str:
    """The one folder that all entries lie in; empty where they lie at the top."""
    seen: set[str] = set()
    for name in names:
        parts = name.split("/")
        if "" in parts or ".." in parts or "\\" in name or not name.isprintable():
            raise ArchiveError(f"is a zip file with an entry {name[:60]!r} outside its folder")
        if name.casefold() in seen:
            raise ArchiveError(f"is a zip file with two entries {name[:60]!r}")
        seen.add(name.casefold())
    tops = {name.partition("/")[0] for name in names}
    flat = any("/" not in name for name in names)
    return "" if flat or len(tops) != 1 else tops.pop()


def _line(error: BaseException) -> str:
    """An error's first line, short."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:120]
