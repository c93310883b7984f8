"""Weights, or a whole network, out of a stranger's file, without running anything it says."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from exray.errors import CheckpointError
from exray.models.checkpoints.checkpoint import Checkpoint
from exray.models.checkpoints.keras.network import keras_network
from exray.models.checkpoints.keras.weights import KerasError, all_converted
from exray.models.checkpoints.layouts import chosen_entries, weights_entries
from exray.models.checkpoints.model_file import COPY_AGAIN, FileForm, ModelFile
from exray.models.checkpoints.onnx.file import onnx_network
from exray.models.checkpoints.state_dict import SAVE_AGAIN, checked, without_prefixes
from exray.models.checkpoints.torch_checkpoint import (
    WEIGHTS_ALONE,
    torch_checkpoint,
    torch_network_problem,
)
from exray.models.checkpoints.torch_files import program_weights


def read_checkpoint(file: Path | ModelFile, *, weights: str | None = None) -> Checkpoint:
    """The contents of a model file: a state dict, or a whole network of known layers.

    The file's first bytes decide how it is read: safetensors, what ``torch.save`` wrote, zipped or
    in the older form, or Keras' HDF5 or archive. Nothing in it is executed: pickles are followed
    step by step, tensors are taken out by place and shape, and instances of other classes beside
    them are left out. A file that would run code when it is loaded is refused all the same. A
    network of torch's and torchvision's layers is put together from its parts; of a network of
    other classes the weights are taken. Of a TorchScript archive or an exported program the weights
    are taken, and the program is not run. Those of an HDF5 file are transposed, and a plain network
    that it describes is built of PyTorch's layers.
    The graph of an ONNX file is converted, once a process of its own has rehearsed it.

    Args:
        file: A ``.pt``, ``.pth``, ``.safetensors`` or ``.h5`` file; one that has been inspected
            already is not parsed again.
        weights: Which of several weights in a file to take: a key, its last part, a prefix of the
            names, or ``ema``; None for the likeliest.

    Raises:
        CheckpointError: If the file is missing, a folder, empty, truncated or no checkpoint, would
            run code when loaded, holds no weights, or has weights that are not finite.

    Example:
        >>> import tempfile, torch
        >>> from torch import nn
        >>> path = Path(tempfile.mkdtemp()) / "m.pt"
        >>> torch.save(nn.Sequential(nn.Linear(2, 3)), path)
        >>> read_checkpoint(path).network
        Sequential(
          (0): Linear(in_features=2, out_features=3, bias=True)
        )
    """
    file = ModelFile.of(file)
    path = file.path
    if file.form in (FileForm.HDF5, FileForm.KERAS):
        return _from_keras(file)
    if file.form is FileForm.ONNX:
        network = onnx_network(file.onnx)
        remark = f"{path.name} is an ONNX graph; its network was converted to PyTorch's layers"
        state = checked(network.state_dict(), path)
        return Checkpoint(state=state, network=network, remarks=(remark,))
    program = program_weights(file) if file.form is FileForm.ZIP else None
    if program is not None:
        kind, state = program
        remark = f"{path.name} is {kind}; its weights were taken and its program was not run"
        return Checkpoint(state=checked(without_prefixes(state), path), remarks=(remark,))
    if file.form in (FileForm.ZIP, FileForm.PICKLES):
        return torch_checkpoint(file, weights)
    entries = chosen_entries(weights_entries(_tensors(file)), weights, path)
    found = entries[0].weights.items() if entries else ()
    state = {name: value for name, value in found if isinstance(value, Tensor)}
    return Checkpoint(state=checked(without_prefixes(state), path))


def read_state(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, by name, on the CPU.

    As :func:`read_checkpoint`, whole networks included. A state dict inside ``state_dict``,
    ``model_state_dict``, ``model``, ``net`` or ``network`` is taken out, the prefixes ``module.``
    and ``_orig_mod.`` that all names share are taken off, and numbers of fewer than 32 bits become
    float32, so that the network runs on a CPU.

    Args:
        path: A ``.pt``, ``.pth`` or ``.safetensors`` file.

    Raises:
        CheckpointError: As :func:`read_checkpoint`.

    Example:
        >>> import tempfile, torch
        >>> path = Path(tempfile.mkdtemp()) / "m.pt"
        >>> torch.save({"state_dict": {"module.bias": torch.ones(2)}}, path)
        >>> read_state(path)
        {'bias': tensor([1., 1.])}
    """
    return read_checkpoint(path).state


def _tensors(file: ModelFile) -> dict[str, Tensor]:
    """The tensors of a file that is no pickle."""
    _require_checkpoint(file)
    return _load_safetensors(file.path)


def _require_checkpoint(file: ModelFile) -> None:
    """Refuses a file of no form that models are stored in."""
    if file.form is not FileForm.UNKNOWN or file.path.suffix == ".safetensors":
        return
    raise CheckpointError(
        file.path,
        f"is not a checkpoint: it starts with {file.head[:8]!r}",
        "give a .pt or .pth file that torch.save wrote, or a .safetensors file",
    )


def network_problem(file: Path | ModelFile) -> str:
    """Why no network can be built from a file alone, as a clause; empty if one can.

    Args:
        file: A model file; nothing in it is loaded.

    Raises:
        CheckpointError: If it cannot be read, or would run code when loaded.

    Example:
        >>> import tempfile, torch
        >>> path = Path(tempfile.mkdtemp()) / "m.pt"
        >>> torch.save({"bias": torch.ones(2)}, path)
        >>> network_problem(path)
        'holds weights without a network'
    """
    file = ModelFile.of(file)
    if file.form in (FileForm.HDF5, FileForm.KERAS):
        return "" if file.keras.config else WEIGHTS_ALONE
    if file.form is FileForm.ONNX:
        return ""
    if file.form in (FileForm.ZIP, FileForm.PICKLES):
        return torch_network_problem(file)
    _require_checkpoint(file)
    return WEIGHTS_ALONE


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Args:
        path: A readable file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "empty"
        >>> path.touch()
        >>> file_sha256(path)[:8]
        'e3b0c442'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_keras(file: ModelFile) -> Checkpoint:
    """Weights, and the network where the file describes a plain one."""
    path = file.path
    kind = "Keras' HDF5" if file.form is FileForm.HDF5 else "a Keras archive"
    try:
        network = keras_network(file.keras)
    except KerasError as error:
        network, unbuilt = None, str(error)
    if network is not None:
        remark = f"{path.name} is {kind}; its network was built of PyTorch's layers"
        return Checkpoint(
            state=checked(network.state_dict(), path),
            network=network,
            remarks=(remark,),
            by_order=True,
        )
    try:
        layers = all_converted(file.keras.layers)
    except KerasError as error:
        raise CheckpointError(path, str(error), SAVE_AGAIN) from error
    state = {
        f"{layer.name}.{key}": value for layer in layers for key, value in layer.values.items()
    }
    remark = f"{path.name} is {kind}; its weights were transposed, and fitted by their order"
    return Checkpoint(state=checked(state, path), remarks=(remark,), by_order=True, unbuilt=unbuilt)


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            path, f"is a truncated or damaged safetensors file ({error})", COPY_AGAIN
        ) from error
    return tensors
