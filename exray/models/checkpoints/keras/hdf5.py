"""What Keras wrote into an HDF5 file: its layers with their weights, and its own description."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from exray.errors import CheckpointError
from exray.subprocesses import run_bounded

_READER = Path(__file__).with_name("hdf5_worker.py")  # not imported here: it needs h5py, an extra
_REFUSED = 3  # the reader's exit status for what Keras does not write
_SECONDS = 120.0  # wall time of the reader, which may take half of it on the processor
_KERAS_AGAIN = "save it again with Keras: model.save('m.h5') or model.save_weights('m.weights.h5')"


@dataclass(frozen=True, kw_only=True)
class KerasLayer:
    """One layer's weights as Keras keeps them, channels last.

    Args:
        name: Keras' name of it.
        weights: Its arrays in order, by their names; numbers where the file has no names.
    """

    name: str
    weights: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class KerasFile:
    """What an HDF5 file of Keras holds.

    Args:
        layers: In the file's order.
        config: Keras' description of the network, as JSON; empty where only weights were saved.
        look: What the static look counted.
    """

    layers: tuple[KerasLayer, ...]
    config: str
    look: Mapping[str, int]


def read_keras(path: Path, *, named: Path | None = None) -> KerasFile:
    """The layers in an HDF5 file that Keras wrote.

    The file is read by :mod:`exray.models.checkpoints.keras.hdf5_worker` in a process with bounded
    memory and time.
    It follows no link, soft, external or virtual, and reads no array that is larger than the file
    allows for.

    Args:
        path: An HDF5 file.
        named: What messages call it, where it was taken out of another file.

    Raises:
        CheckpointError: If it is damaged, or holds what Keras does not write.
    """
    metadata, tensors = _answer(path, named or path)
    layers = []
    for place, (name, weights) in enumerate(json.loads(metadata["layers"])):
        known = {weight: tensors[f"{place}.{index}"] for index, weight in enumerate(weights)}
        layers.append(KerasLayer(name=name, weights=known))
    look = json.loads(metadata["look"])
    return KerasFile(layers=tuple(layers), config=metadata["config"], look=look)


def _answer(path: Path, named: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """What the reader found."""
    status, output, errors = _read(path)
    if status:
        raise CheckpointError(named, _problem(status, errors), _KERAS_AGAIN)
    try:
        header = json.loads(output[8 : 8 + int.from_bytes(output[:8], "little")])
        return header["__metadata__"], load(output)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(named, f"cannot be passed on ({error})", _KERAS_AGAIN) from error


def _read(path: Path) -> tuple[int, bytes, str]:
    """The reader's exit status, standard output and standard error."""
    command = [sys.executable, "-P", str(_READER), str(path), str(path.stat().st_size)]
    environment = {
        "OPENBLAS_NUM_THREADS": "1",  # each thread would take address space
        "HDF5_USE_FILE_LOCKING": "FALSE",  # a folder may be read-only
        "HDF5_PLUGIN_PATH": os.devnull,
    }
    result = run_bounded(command, seconds=_SECONDS, environment=environment)
    if result.status is None:
        return 1, b"", f"no answer within {_SECONDS:.0f} s"
    return result.status, result.output, result.errors


def _problem(status: int, errors: str) -> str:
    """Why the reader gave no layers, as a clause."""
    text = errors.strip()
    if status == _REFUSED:
        return text
    last = text.splitlines()[-1] if text else f"status {status}"
    if "ModuleNotFoundError" in last:
        return "is an HDF5 file, which needs h5py; it is not installed: pip install 'exray[keras]'"
    return f"made HDF5's reader end unexpectedly ({ascii(last)[1:-1][:120]})"
