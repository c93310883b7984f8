"""What a model file is made of, for the record and the report; nothing in it is loaded."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from exray.errors import CheckpointError
from exray.models.checkpoints.model_file import FileForm, ModelFile
from exray.models.checkpoints.pickles.interpreter import MAX_BYTES, PickleProgram
from exray.models.checkpoints.pickles.layer_allowlist import is_layer
from exray.models.checkpoints.pickles.names import is_plain
from exray.models.checkpoints.pickles.values import BrokenPickleError
from exray.models.checkpoints.program_weights import is_exported, is_torchscript
from exray.models.checkpoints.zip_archive import Archive, ArchiveError
from exray.text import shown, some

FileReport = Mapping[str, str | int]
"""What the inspection reports, by a name that a reader understands: counts and bytes as numbers."""

REPORT_ERROR = "file_report_error"  # key of the reason why an inspection stopped early
_MAX_NAMES = 40  # listed of each kind; the others are counted
_MAX_HEADER = 2**26  # bytes of a safetensors file's header


def inspect_file(file: Path | ModelFile) -> FileReport:
    """What a model file is made of: its form, sizes, entries, and what its pickles name.

    Every file gets an answer, a refused one too: then it says which names would run code, or why
    the inspection ends. It never loads, and reads no more than a pickle's program or a header.

    Args:
        file: Any file, or a path without one.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "m.pt"
        >>> _ = path.write_bytes(b"hello")
        >>> inspect_file(path)
        {'form': 'unknown', 'bytes': 5}
    """
    file = ModelFile.of(file)
    try:
        size = file.path.stat().st_size
        form = file.form if size else FileForm.UNKNOWN
    except OSError as error:
        return {"form": "unreadable", REPORT_ERROR: error.strerror or "cannot be read"}
    except CheckpointError as error:
        return {"form": "unreadable", REPORT_ERROR: _reason(error, file)}
    report: dict[str, str | int] = {"form": form.value, "bytes": size}
    try:
        return report | _details(file, form)
    except (ArchiveError, BrokenPickleError, CheckpointError, OSError, ValueError) as error:
        return report | {REPORT_ERROR: _reason(error, file)}


def _details(file: ModelFile, form: FileForm) -> dict[str, str | int]:
    if form is FileForm.ZIP:
        return _zip(file)
    if form is FileForm.PICKLES:
        return _legacy(file)
    if form in (FileForm.HDF5, FileForm.KERAS):
        return dict(file.keras.look)
    if form is FileForm.ONNX:
        return _onnx(file)
    return _safetensors(file.path) if form is FileForm.SAFETENSORS else {}


def _zip(file: ModelFile) -> dict[str, str | int]:
    sizes = file.archive.sizes
    report: dict[str, str | int] = {
        "form": _kind(file.archive),
        "entries": len(sizes),
        "bytes in entries": sum(sizes.values()),
        "largest entry": max(sizes.values(), default=0),
    }
    if "data.pkl" not in sizes or sizes["data.pkl"] > MAX_BYTES:
        return report
    try:
        return report | _pickles([file.zipped_pickle])
    except ArchiveError as error:
        return report | {REPORT_ERROR: _reason(error, file)}
    except BrokenPickleError as error:
        return report | _names(error.names) | {REPORT_ERROR: _reason(error, file)}


def _kind(archive: Archive) -> str:
    if is_torchscript(archive):
        return "zip archive of TorchScript"
    if is_exported(archive):
        return "zip archive of an exported program"
    return "zip archive of torch.save" if "data.pkl" in archive.sizes else "zip archive"


def _legacy(file: ModelFile) -> dict[str, str | int]:
    try:
        return _pickles(file.legacy_pickles)
    except BrokenPickleError as error:
        return _names(error.names) | {REPORT_ERROR: _reason(error, file)}


def _safetensors(path: Path) -> dict[str, str | int]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(_MAX_HEADER, path.stat().st_size):
            return {REPORT_ERROR: f"claims a header of {length} bytes"}
        try:
            header: object = json.loads(file.read(length))
        except (ValueError, RecursionError):
            return {REPORT_ERROR: "has a header that is no JSON"}
    names = [name for name in header if name != "__metadata__"] if isinstance(header, dict) else []
    return {"bytes of the header": length, "tensors": len(names)}


def _onnx(file: ModelFile) -> dict[str, str | int]:
    kinds = [f"{count} {kind}" for kind, count in sorted(file.onnx.operations.items())]
    report: dict[str, str | int] = {
        "operations": sum(file.onnx.operations.values()),
        "kinds of operation": some(kinds, _MAX_NAMES),
    }
    beside = [path.name for path in file.onnx.files]
    return report | ({"files beside it": some(beside)} if beside else {})


def _pickles(programs: Sequence[PickleProgram]) -> dict[str, str | int]:
    """Counts of what whole pickles do, and what they name."""
    names = {name: None for program in programs for name in program.names}
    return {
        "bytes of pickles": programs[-1].end,
        "calls": sum(len(program.calls) for program in programs),
        "storages asked for": sum(len(program.stored) for program in programs),
    } | _names(tuple(names))


def _names(names: tuple[str, ...]) -> dict[str, str | int]:
    """Names by kind: of plain weights, of layers on the list, of TorchScript's programs, others."""
    kinds = {
        "names of weights": [name for name in names if is_plain(name)],
        "names of layers": [name for name in names if is_layer(name)],
        "names of its program": [name for name in names if name.startswith("__torch__.")],
    }
    known = {name for members in kinds.values() for name in members}
    kinds["names that are not on the list"] = [name for name in names if name not in known]
    return {kind: some(members, _MAX_NAMES) for kind, members in kinds.items() if members}


def _reason(error: Exception, file: ModelFile) -> str:
    """An error's first clause, without the path, on one line."""
    clause = str(error).removeprefix(f"{file.path} ").partition("; ")[0]
    return shown(" ".join(clause.split()), 200)
