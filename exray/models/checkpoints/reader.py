"""Weights, or a whole network, out of a stranger's file, without running anything it says."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from exray.errors import CheckpointError
from exray.models.checkpoints.keras.network import keras_network
from exray.models.checkpoints.keras.weights import KerasError, all_converted
from exray.models.checkpoints.model_file import COPY_AGAIN, FileForm, ModelFile
from exray.models.checkpoints.state_dict import SAVE_AGAIN, checked, unwrapped, without_prefixes
from exray.models.checkpoints.torch_files import (
    load_legacy,
    load_zipped,
    names_layers,
    program_weights,
)
from exray.models.checkpoints.whole_network import UnusualNetworkError, check_network, mend


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The contents of a model file.

    Args:
        state: The weights by name.
        network: The network, where the file held one whole; in eval mode.
        remarks: What the user should know about how it was read, one sentence each.
        by_order: Whether the names are another framework's, so that weights fit a network layer
            by layer of each kind rather than by name.
        unbuilt: Why there is no network although the file may describe one, as a clause.
    """

    state: dict[str, Tensor]
    network: nn.Module | None = None
    remarks: tuple[str, ...] = ()
    by_order: bool = False
    unbuilt: str = ""


def read_checkpoint(file: Path | ModelFile) -> Checkpoint:
    """The contents of a model file: a state dict, or a whole network of known layers.

    The file's first bytes decide how it is read: safetensors, what ``torch.save`` wrote, zipped or
    in the older form, or Keras' HDF5. A static inspection comes first: every name, call, size and
    entry of the file must be one that its library writes before anything is loaded, so that nothing
    in it is executed and nothing can take more memory than the file is long. Then pickles are
    loaded with ``weights_only`` and a list of torch's and torchvision's layers. Of a TorchScript
    archive or an exported program the weights are taken, and the program is not run. Those of an
    HDF5 file are transposed, and a plain network that it describes is built of PyTorch's layers.

    Args:
        file: A ``.pt``, ``.pth``, ``.safetensors`` or ``.h5`` file; one that has been inspected
            already is not parsed again.

    Raises:
        CheckpointError: If the file is missing, a folder, empty, truncated or no checkpoint, would
            need code to be loaded, holds no weights, or has weights that are not finite.

    Example:
        >>> import tempfile, torch
        >>> path = Path(tempfile.mkdtemp()) / "m.pt"
        >>> torch.save(nn.Sequential(nn.Linear(2, 3)), path)
        >>> read_checkpoint(path).network
        Sequential(
          (0): Linear(in_features=2, out_features=3, bias=True)
        )
    """
    file = ModelFile.of(file)
    path = file.path
    if file.form is FileForm.HDF5:
        return _from_keras(file)
    program = program_weights(file) if file.form is FileForm.ZIP else None
    if program is not None:
        kind, weights = program
        remark = f"{path.name} is {kind}; its weights were taken and its program was not run"
        return Checkpoint(state=checked(without_prefixes(weights), path), remarks=(remark,))
    content = unwrapped(_content(file), path)
    if isinstance(content, nn.Module):
        return _whole_network(content, path)
    return Checkpoint(state=checked(without_prefixes(content), path))


def _whole_network(network: nn.Module, path: Path) -> Checkpoint:
    """A network of known layers, refused unless its constructors could have made it."""
    try:
        check_network(network)
        added = mend(network)
        state: dict[str, Tensor] = network.state_dict()
    except (UnusualNetworkError, AttributeError, TypeError, RecursionError) as error:
        raise CheckpointError(
            path,
            f"holds a network that no constructor makes: it {error}",
            "do not trust its source",
        ) from error
    small = any(value.is_floating_point() and value.element_size() < 4 for value in state.values())
    state = checked(state, path)
    network = network.float() if small else network
    remark = (
        f"{path.name} holds a whole {type(network).__name__}, rebuilt from a list of known layers"
    )
    if added:
        remark += f"; {', '.join(added)} were added, which its torchvision did not store"
    return Checkpoint(state=state, network=network.eval().requires_grad_(False), remarks=(remark,))


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


def _content(file: ModelFile) -> object:
    """What the file holds, whatever its form."""
    path = file.path
    if file.form is FileForm.ZIP:
        return load_zipped(file)
    if file.form is FileForm.PICKLES:
        return load_legacy(file)
    if path.suffix == ".safetensors" or file.form is FileForm.SAFETENSORS:
        return _load_safetensors(path)
    if path.suffix == ".onnx":
        raise CheckpointError(
            path,
            "is an ONNX graph, which exray does not read",
            "convert it to a PyTorch network and save its state dict as .safetensors or .pt",
        )
    raise CheckpointError(
        path,
        f"is not a checkpoint: it starts with {file.head[:8]!r}",
        "give a .pt or .pth file that torch.save wrote, or a .safetensors file",
    )


def holds_network(file: Path | ModelFile) -> bool:
    """Whether a file seems to hold a whole network rather than weights; nothing is loaded.

    Args:
        file: Any file. One that cannot be read holds no network.

    Example:
        >>> holds_network(Path("nowhere.pt"))
        False
    """
    file = ModelFile.of(file)
    try:
        if file.form is FileForm.HDF5:
            return bool(file.keras.config)
        return file.form in (FileForm.ZIP, FileForm.PICKLES) and names_layers(file)
    except CheckpointError:
        return False


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
    try:
        network = keras_network(file.keras)
    except KerasError as error:
        network, unbuilt = None, str(error)
    if network is not None:
        remark = f"{path.name} is Keras' HDF5; its network was built of PyTorch's layers"
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
    remark = f"{path.name} is Keras' HDF5; its weights were transposed, and fitted by their order"
    return Checkpoint(state=checked(state, path), remarks=(remark,), by_order=True, unbuilt=unbuilt)


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            path, f"is a truncated or damaged safetensors file ({error})", COPY_AGAIN
        ) from error
    return tensors
