"""What ``torch.save`` wrote, zipped or in the form before torch 1.6, without running any of it."""

import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from exray.errors import CheckpointError
from exray.models.checkpoints.model_file import COPY_AGAIN, ModelFile
from exray.models.checkpoints.pickles.contents import contents
from exray.models.checkpoints.pickles.interpreter import MAX_BYTES, PickleProgram
from exray.models.checkpoints.pickles.policy import check_program, code_in, storage_of
from exray.models.checkpoints.pickles.storages import FileStorages, legacy_storages, zip_storages
from exray.models.checkpoints.pickles.values import BrokenPickleError
from exray.models.checkpoints.program_weights import (
    exported_weights,
    is_exported,
    is_torchscript,
    torchscript_weights,
)
from exray.models.checkpoints.state_dict import SAVE_AGAIN
from exray.models.checkpoints.zip_archive import ArchiveError
from exray.text import shown, some

# How the names of the entries begin that torch.save writes, of any version.
_ENTRIES = ("data.pkl", "data/", ".data/", "version", "byteorder", ".format_version",
            ".storage_alignment")  # fmt: skip
_LENGTH_BYTES = 8  # of the length before each storage in the older form


@dataclass(frozen=True, kw_only=True)
class TorchContents:
    """What a checkpoint holds.

    Args:
        value: Plain values, stored tensors and objects that nobody makes.
        storages: Where the tensors' numbers are.
    """

    value: object
    storages: FileStorages


def is_program(file: ModelFile) -> bool:
    """Whether a zip archive is a program that torch saved.

    Raises:
        CheckpointError: If the archive cannot be read.
    """
    try:
        return is_torchscript(file.archive) or is_exported(file.archive)
    except ArchiveError as error:
        raise CheckpointError(file.path, str(error), COPY_AGAIN) from error


def program_weights(file: ModelFile) -> tuple[str, dict[str, Tensor]] | None:
    """The weights of a program that torch saved, with what it is called; None for another file.

    Args:
        file: A zip archive.

    Raises:
        CheckpointError: If its weights are not stored as torch stores them.
    """
    path = file.path
    try:
        archive = file.archive
        if is_torchscript(archive):
            return "a TorchScript archive", torchscript_weights(archive)
        if is_exported(archive):
            return "an exported program", exported_weights(archive)
    except ArchiveError as error:
        raise CheckpointError(path, str(error), COPY_AGAIN) from error
    except BrokenPickleError as error:
        raise CheckpointError(
            path, f"is a program whose weights cannot be taken: it {error}", SAVE_AGAIN
        ) from error
    return None


def load_zipped(file: ModelFile) -> TorchContents:
    """What a zip checkpoint holds; its tensors are not read yet.

    Args:
        file: A zip archive.

    Raises:
        CheckpointError: If it is no checkpoint, or would have to run code.
    """
    path = file.path
    try:
        archive = file.archive
        if "data.pkl" not in archive.sizes or not archive.folder:
            raise CheckpointError(
                path,
                "is a zip file, but no checkpoint: it has no data.pkl",
                "if it is a zip of a model, unpack it and give what is inside; else give a .pt or "
                ".pth file that torch.save wrote, or a .safetensors file",
            )
        foreign = [name for name in archive.sizes if not name.startswith(_ENTRIES)]
        if foreign:
            raise ArchiveError(
                f"is a zip file with an entry {shown(foreign[0])!r} that torch.save does not write"
            )
        if archive.sizes["data.pkl"] > MAX_BYTES:
            raise ArchiveError(f"is a zip file with a pickle of {archive.sizes['data.pkl']} bytes")
        (program,) = _without_code(path, lambda: [file.zipped_pickle])
        storages = zip_storages(archive)
    except ArchiveError as error:
        raise CheckpointError(path, str(error), COPY_AGAIN) from error
    _check(path, program, lambda key, _: archive.sizes.get(f"data/{key}"))
    return _contents(path, program, storages)


def load_legacy(file: ModelFile) -> TorchContents:
    """What a checkpoint of the form before torch 1.6 holds: five pickles, then the storages.

    A pickle that ``torch.save`` did not write is read too; numpy's arrays may be in it.

    Args:
        file: One that starts like a pickle.

    Raises:
        CheckpointError: If it is no checkpoint, or would have to run code.
    """
    path = file.path
    programs = _without_code(path, lambda: file.legacy_pickles)
    if tarfile.is_tarfile(path):
        raise damaged(path, "torch.save did not write it")
    if len(programs) == 1:
        return _bare(path, programs[0])
    _, _, _, main, keys = programs
    total = _check(path, main, lambda _, claimed: claimed)
    rest = path.stat().st_size - keys.end
    names = keys.value if isinstance(keys.value, list) else []
    if rest != total + _LENGTH_BYTES * len(names):
        raise damaged(path, f"{rest} bytes follow its pickles, which want {total}")
    lengths = dict(storage_of(stored) for stored in main.stored)
    places, place = {}, keys.end
    for name in names:
        places[name] = place + _LENGTH_BYTES
        place = places[name] + lengths.get(name, 0)
    return _contents(path, main, legacy_storages(path, places))


def _bare(path: Path, program: PickleProgram) -> TorchContents:
    """A pickle that stands alone."""
    if program.end != path.stat().st_size:
        raise damaged(path, f"{path.stat().st_size - program.end} bytes follow its pickle")
    _check(path, program, lambda _, __: None)
    return _contents(path, program, legacy_storages(path, {}))


def _contents(path: Path, program: PickleProgram, storages: FileStorages) -> TorchContents:
    try:
        return TorchContents(value=contents(program.value), storages=storages)
    except BrokenPickleError as error:
        raise damaged(path, str(error)) from error


def _without_code(
    path: Path, programs: Callable[[], Sequence[PickleProgram]]
) -> Sequence[PickleProgram]:
    """Pickles in which nothing could run; what could is reported even of a broken pickle."""
    try:
        followed = programs()
    except BrokenPickleError as error:
        _check_names(path, code_in(error.names))
        raise damaged(path, str(error)) from error
    names = [name for program in followed for name in program.names]
    _check_names(path, code_in(names, [call for program in followed for call in program.calls]))
    return followed


def _check_names(path: Path, code: Sequence[str]) -> None:
    if code:
        raise CheckpointError(
            path,
            f"would run code when loaded ({some([shown(name) for name in code], limit=6)}), and is "
            "not opened",
            "if you trust its source, save the state dict alone there: "
            "torch.save(network.state_dict(), FILE)",
        )


def _check(
    path: Path, program: PickleProgram, storage_bytes: Callable[[str, int], int | None]
) -> int:
    try:
        return check_program(program, storage_bytes=storage_bytes)
    except BrokenPickleError as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, problem: str) -> CheckpointError:
    """The answer to a file that is not what its first bytes promise.

    Args:
        path: The file.
        problem: What is wrong, as a clause.
    """
    return CheckpointError(path, f"is truncated, damaged or no checkpoint ({problem})", COPY_AGAIN)
