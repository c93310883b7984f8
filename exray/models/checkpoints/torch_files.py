"""What ``torch.save`` wrote, loaded after a static look, zipped or in the form before torch 1.6."""

import pickle
import tarfile
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import torch
from torch import Tensor

from exray.errors import CheckpointError
from exray.models.checkpoints.pickles.interpreter import MAX_BYTES, PickleProgram, follow
from exray.models.checkpoints.pickles.layer_allowlist import (
    MissingTorchvisionError,
    is_layer,
    layer_classes,
)
from exray.models.checkpoints.pickles.policy import check_program, is_plain
from exray.models.checkpoints.pickles.values import BrokenPickleError
from exray.models.checkpoints.program_weights import (
    exported_weights,
    is_exported,
    is_torchscript,
    torchscript_weights,
)
from exray.models.checkpoints.state_dict import SAVE_AGAIN
from exray.models.checkpoints.zip_archive import Archive, ArchiveError, open_archive
from exray.text import shown, some

COPY_AGAIN = f"copy or download the file again, or {SAVE_AGAIN}"
_MAGIC = 0x1950A86A20F9469CFC6C  # the first of the older form's five pickles
_LENGTH_BYTES = 8  # of the length before each storage in the older form
# What the older form's pickles call besides layers and storages.
_REBUILDERS: dict[str, object] = {
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,  # what protocol 2 calls it
    "torch._utils._rebuild_tensor": torch._utils._rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
}


def names_layers(path: Path) -> bool:
    """Whether a checkpoint's pickles name layers on the list; nothing is loaded.

    Args:
        path: A file that starts like a zip archive or a pickle.

    Raises:
        CheckpointError: If it is no checkpoint, or would have to run code.
    """
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    programs = [_zipped_look(path)[1]] if zipped else _legacy_look(path)
    return any(is_layer(name) for program in programs for name in program.names)


def program_weights(path: Path) -> tuple[str, dict[str, Tensor]] | None:
    """The weights of a program that torch saved, with what it is called; None for another file.

    Args:
        path: A file that starts like a zip archive.

    Raises:
        CheckpointError: If its weights are not kept as torch keeps them.
    """
    try:
        archive = open_archive(path)
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


def load_zipped(path: Path) -> object:
    """What a zip checkpoint holds.

    Args:
        path: A file that starts like a zip archive.

    Raises:
        CheckpointError: If it is no checkpoint, or would have to run code.
    """
    archive, program = _zipped_look(path)
    _check(path, program, lambda key, _: archive.sizes.get(f"data/{key}"))
    aliases: list[Callable[..., object] | tuple[Callable[..., object], str]]
    aliases = [(kind, name) for name, kind in _classes(path, program.names).items()]
    with torch.serialization.safe_globals(aliases):
        return _loaded(path, lambda: torch.load(path, map_location="cpu", weights_only=True))


def _zipped_look(path: Path) -> tuple[Archive, PickleProgram]:
    """The archive and its pickle, all of whose names are known."""
    try:
        archive = open_archive(path)
        if "data.pkl" not in archive.sizes or not archive.folder:
            raise CheckpointError(
                path,
                "is a zip file, but no checkpoint: it has no data.pkl",
                "give a .pt or .pth file that torch.save wrote, or a .safetensors file",
            )
        if archive.sizes["data.pkl"] > MAX_BYTES:
            raise ArchiveError(f"is a zip file with a pickle of {archive.sizes['data.pkl']} bytes")
        return archive, _followed(path, lambda: [follow(archive.read("data.pkl"))])[0]
    except ArchiveError as error:
        raise CheckpointError(path, str(error), COPY_AGAIN) from error


def load_legacy(path: Path) -> object:
    """What a checkpoint of the form before torch 1.6 holds: five pickles, then the storages.

    Args:
        path: A file that starts like a pickle.

    Raises:
        CheckpointError: If it is no checkpoint, or would have to run code.
    """
    _, _, _, main, keys = _legacy_look(path)
    storages = _check(path, main, lambda _, claimed: claimed)
    rest = path.stat().st_size - keys.end
    named = keys.value if isinstance(keys.value, list) else []
    if rest != storages + _LENGTH_BYTES * len(named):
        raise _damaged(path, f"{rest} bytes follow its pickles, which want {storages}")
    classes = _classes(path, main.names)
    if not classes:
        return _loaded(path, lambda: torch.load(path, map_location="cpu", weights_only=True))
    return _loaded(path, lambda: _load_restricted(path, {**_REBUILDERS, **classes}))


def _legacy_look(path: Path) -> list[PickleProgram]:
    """The five pickles of the older form, all of whose names are known."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES)
    programs = _followed(path, lambda: _five(data))
    if programs[0].value != _MAGIC or tarfile.is_tarfile(path):
        raise _damaged(path, "torch.save did not write it")
    return programs


def _load_restricted(path: Path, allowed: dict[str, object]) -> object:
    """``torch.load`` with an unpickler that finds nothing but what is allowed.

    ``weights_only`` cannot load whole networks of the older form (facts, dependencies 4).
    """

    class Restricted(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            if f"{module}.{name}" not in allowed:
                raise pickle.UnpicklingError(f"{module}.{name} is not on the list")
            return allowed[f"{module}.{name}"]

    def load(file: BinaryIO, *, encoding: str = "ASCII") -> object:
        return Restricted(file, encoding=encoding).load()

    module = SimpleNamespace(__name__="restricted", Unpickler=Restricted, load=load)
    content: object = torch.load(path, map_location="cpu", pickle_module=module, weights_only=False)
    return content


def _five(data: bytes) -> list[PickleProgram]:
    """The pickles at the start of a file of the older form."""
    programs: list[PickleProgram] = []
    names: dict[str, None] = {}
    try:
        for _ in range(5):
            programs.append(follow(data, programs[-1].end if programs else 0))
            names |= dict.fromkeys(programs[-1].names)
    except BrokenPickleError as error:
        raise BrokenPickleError(str(error), (*names, *error.names)) from None
    return programs


def _followed(path: Path, programs: Callable[[], list[PickleProgram]]) -> list[PickleProgram]:
    """Pickles whose names are all known; a name that is not is told even of a broken one."""
    try:
        found = programs()
    except BrokenPickleError as error:
        _check_names(path, error.names)
        raise _damaged(path, str(error)) from error
    _check_names(path, [name for program in found for name in program.names])
    return found


def _check_names(path: Path, names: Sequence[str]) -> None:
    unknown = [shown(name) for name in names if not is_plain(name) and not is_layer(name)]
    if not unknown:
        return
    if any(name.startswith(("torch.nn.modules.", "torchvision.")) for name in names):
        raise CheckpointError(
            path,
            f"holds a whole network, whose classes are code ({some(unknown, limit=6)}), and is "
            "not opened",
            "save the state dict alone: torch.save(network.state_dict(), FILE)",
        )
    raise CheckpointError(
        path,
        f"would run code when loaded ({some(unknown, limit=6)}), and is not opened",
        "if you trust its source, save the state dict alone there: "
        "torch.save(network.state_dict(), FILE)",
    )


def _check(
    path: Path, program: PickleProgram, storage_bytes: Callable[[str, int], int | None]
) -> int:
    try:
        return check_program(program, is_layer=is_layer, storage_bytes=storage_bytes)
    except BrokenPickleError as error:
        raise _damaged(path, str(error)) from error


def _classes(path: Path, names: Sequence[str]) -> dict[str, type[torch.nn.Module]]:
    try:
        return layer_classes(names)
    except MissingTorchvisionError as error:
        raise CheckpointError(
            path,
            f"needs {error}, which cannot be imported",
            f"install torchvision, or {SAVE_AGAIN} where it is installed",
        ) from error


def _loaded(path: Path, load: Callable[[], object]) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load()
    # Damaged pickles raise anything. torch's message advises to run the file: it is not passed on.
    except Exception as error:
        reason = str(error).partition("WeightsUnpickler error:")[2] or str(error)
        advice = "weights only load failed" in reason.lower()
        first = "" if advice or not reason.strip() else reason.strip().splitlines()[0]
        raise _damaged(path, f"{type(error).__name__}: {shown(first)}".rstrip(": ")) from None


def _damaged(path: Path, problem: str) -> CheckpointError:
    return CheckpointError(path, f"is truncated, damaged or no checkpoint ({problem})", COPY_AGAIN)
