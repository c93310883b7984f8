"""What ``torch.save`` wrote, zipped or in the form before torch 1.6, loaded once inspected."""

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
from exray.models.checkpoints.model_file import COPY_AGAIN, FileForm, ModelFile
from exray.models.checkpoints.pickles.interpreter import MAX_BYTES, PickleProgram
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
from exray.models.checkpoints.zip_archive import Archive, ArchiveError
from exray.text import shown, some

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


def names_layers(file: ModelFile) -> bool:
    """Whether a checkpoint's pickles name layers on the list; nothing is loaded.

    Args:
        file: A zip archive, or pickles.

    Raises:
        CheckpointError: If it is no checkpoint, or would have to run code.
    """
    programs = [_zipped(file)[1]] if file.form is FileForm.ZIP else _legacy(file)
    return any(is_layer(name) for program in programs for name in program.names)


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


def load_zipped(file: ModelFile) -> object:
    """What a zip checkpoint holds.

    Args:
        file: A zip archive.

    Raises:
        CheckpointError: If it is no checkpoint, or would have to run code.
    """
    path = file.path
    archive, program = _zipped(file)
    _check(path, program, lambda key, _: archive.sizes.get(f"data/{key}"))
    aliases: list[Callable[..., object] | tuple[Callable[..., object], str]]
    aliases = [(kind, name) for name, kind in _classes(path, program.names).items()]
    with torch.serialization.safe_globals(aliases):
        return _loaded(path, lambda: torch.load(path, map_location="cpu", weights_only=True))


def _zipped(file: ModelFile) -> tuple[Archive, PickleProgram]:
    """The archive and its pickle, all of whose names are known."""
    path = file.path
    try:
        archive = file.archive
        if "data.pkl" not in archive.sizes or not archive.folder:
            raise CheckpointError(
                path,
                "is a zip file, but no checkpoint: it has no data.pkl",
                "give a .pt or .pth file that torch.save wrote, or a .safetensors file",
            )
        if archive.sizes["data.pkl"] > MAX_BYTES:
            raise ArchiveError(f"is a zip file with a pickle of {archive.sizes['data.pkl']} bytes")
        return archive, _with_known_names(path, lambda: [file.zipped_pickle])[0]
    except ArchiveError as error:
        raise CheckpointError(path, str(error), COPY_AGAIN) from error


def load_legacy(file: ModelFile) -> object:
    """What a checkpoint of the form before torch 1.6 holds: five pickles, then the storages.

    Args:
        file: One that starts like a pickle.

    Raises:
        CheckpointError: If it is no checkpoint, or would have to run code.
    """
    path = file.path
    _, _, _, main, keys = _legacy(file)
    storages = _check(path, main, lambda _, claimed: claimed)
    rest = path.stat().st_size - keys.end
    storage_keys = keys.value if isinstance(keys.value, list) else []
    if rest != storages + _LENGTH_BYTES * len(storage_keys):
        raise _damaged(path, f"{rest} bytes follow its pickles, which want {storages}")
    classes = _classes(path, main.names)
    if not classes:
        return _loaded(path, lambda: torch.load(path, map_location="cpu", weights_only=True))
    return _loaded(path, lambda: _load_restricted(path, {**_REBUILDERS, **classes}))


def _legacy(file: ModelFile) -> Sequence[PickleProgram]:
    """The five pickles of the older form, all of whose names are known."""
    programs = _with_known_names(file.path, lambda: file.legacy_pickles)
    if programs[0].value != _MAGIC or tarfile.is_tarfile(file.path):
        raise _damaged(file.path, "torch.save did not write it")
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


def _with_known_names(
    path: Path, programs: Callable[[], Sequence[PickleProgram]]
) -> Sequence[PickleProgram]:
    """Pickles whose names are all known; an unknown one is reported even of a broken pickle."""
    try:
        followed = programs()
    except BrokenPickleError as error:
        _check_names(path, error.names)
        raise _damaged(path, str(error)) from error
    _check_names(path, [name for program in followed for name in program.names])
    return followed


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
    # Damaged pickles raise anything. torch's message advises to run the file: it is left out.
    except Exception as error:
        reason = str(error).partition("WeightsUnpickler error:")[2] or str(error)
        advice = "weights only load failed" in reason.lower()
        first = "" if advice or not reason.strip() else reason.strip().splitlines()[0]
        raise _damaged(path, f"{type(error).__name__}: {shown(first)}".rstrip(": ")) from None


def _damaged(path: Path, problem: str) -> CheckpointError:
    return CheckpointError(path, f"is truncated, damaged or no checkpoint ({problem})", COPY_AGAIN)
