"""What a static look finds in a model file, for the record and the report; nothing is loaded."""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from exray.errors import CheckpointError
from exray.models.checkpoints.keras.hdf5 import read_keras
from exray.models.checkpoints.pickles.interpreter import MAX_BYTES, PickleProgram, follow
from exray.models.checkpoints.pickles.layer_allowlist import is_layer
from exray.models.checkpoints.pickles.policy import is_plain
from exray.models.checkpoints.pickles.values import BrokenPickleError
from exray.models.checkpoints.program_weights import is_exported, is_torchscript
from exray.models.checkpoints.zip_archive import Archive, ArchiveError, open_archive
from exray.text import shown

Findings = Mapping[str, str | int]
"""What was found, by a name that a reader understands: counts and bytes as numbers."""

_MAX_NAMES = 40  # told of each kind; the others are counted
_MAX_HEADER = 2**26  # bytes of a safetensors file's header
_PICKLES = 5  # at the start of a file of before torch 1.6


def look_at(path: Path) -> Findings:
    """What a model file is made of: its form, sizes, entries, and what its pickles name.

    Every file gets an answer, a refused one too: then it says which names would run code, or why
    the look ends. The look never loads, and reads no more than a pickle's program or a header.

    Args:
        path: Any file, or none.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "m.pt"
        >>> _ = path.write_bytes(b"hello")
        >>> look_at(path)
        {'form': 'unknown', 'bytes': 5}
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        return {"form": "unreadable", "the look ends": error.strerror or "cannot be read"}
    form, look = _form(head)
    findings: dict[str, str | int] = {"form": form, "bytes": size}
    try:
        findings |= look(path)
    except (ArchiveError, BrokenPickleError, CheckpointError, OSError, ValueError) as error:
        reason = str(error).removeprefix(f"{path} ").partition("; ")[0]
        findings["the look ends"] = shown(" ".join(reason.split()), 200)
    return findings


def _form(head: bytes) -> tuple[str, Callable[[Path], Findings]]:
    if head.startswith(b"PK"):
        return "zip archive", _zip
    if head.startswith(b"\x80"):
        return "pickles, as torch.save wrote them before 1.6", _pickles
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "HDF5, as Keras writes it", lambda path: read_keras(path).look
    if head[8:9] == b"{":
        return "safetensors", _safetensors
    return "unknown", lambda _: {}


def _zip(path: Path) -> Findings:
    archive = open_archive(path)
    found: dict[str, str | int] = {
        "form": _kind(archive),
        "entries": len(archive.sizes),
        "bytes in entries": sum(archive.sizes.values()),
        "largest entry": max(archive.sizes.values(), default=0),
    }
    if "data.pkl" not in archive.sizes or archive.sizes["data.pkl"] > MAX_BYTES:
        return found
    try:
        return {**found, **_named([follow(archive.read("data.pkl"))])}
    except ArchiveError as error:
        return {**found, "the look ends": _reason(error)}
    except BrokenPickleError as error:
        return {**found, **_names(error.names), "the look ends": _reason(error)}


def _kind(archive: Archive) -> str:
    if is_torchscript(archive):
        return "zip archive of TorchScript"
    if is_exported(archive):
        return "zip archive of an exported program"
    return "zip archive of torch.save" if "data.pkl" in archive.sizes else "zip archive"


def _pickles(path: Path) -> Findings:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES)
    programs: list[PickleProgram] = []
    try:
        for _ in range(_PICKLES):
            programs.append(follow(data, programs[-1].end if programs else 0))
    except BrokenPickleError as error:
        told = {name: None for program in programs for name in program.names}
        return _names((*told, *error.names)) | {"the look ends": _reason(error)}
    return _named(programs)


def _safetensors(path: Path) -> Findings:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(_MAX_HEADER, path.stat().st_size):
            return {"the look ends": f"claims a header of {length} bytes"}
        try:
            told: object = json.loads(file.read(length))
        except (ValueError, RecursionError):
            return {"the look ends": "has a header that is no JSON"}
    names = [name for name in told if name != "__metadata__"] if isinstance(told, dict) else []
    return {"bytes of the header": length, "tensors": len(names)}


def _named(programs: list[PickleProgram]) -> Findings:
    """Counts of what whole pickles do, and what they name."""
    names = {name: None for program in programs for name in program.names}
    return {
        "bytes of pickles": programs[-1].end,
        "calls": sum(len(program.made) for program in programs),
        "storages asked for": sum(len(program.stored) for program in programs),
    } | _names(tuple(names))


def _names(names: tuple[str, ...]) -> dict[str, str | int]:
    """Names by what they are: plain weights', layers on the list, TorchScript's own, others."""
    kinds = {
        "names of weights": [name for name in names if is_plain(name)],
        "names of layers": [name for name in names if is_layer(name)],
        "names of its program": [name for name in names if name.startswith("__torch__.")],
    }
    told = {name for found in kinds.values() for name in found}
    kinds["names that are not on the list"] = [name for name in names if name not in told]
    return {kind: _some(found) for kind, found in kinds.items() if found}


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(shown(name) for name in names[:_MAX_NAMES]) + more


def _reason(error: ValueError) -> str:
    return shown(" ".join(str(error).split()), 200)
