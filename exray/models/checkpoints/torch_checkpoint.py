"""The weights or the network in what ``torch.save`` wrote, and what was left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from exray.errors import CheckpointError
from exray.models.checkpoints.checkpoint import Checkpoint, OtherWeights
from exray.models.checkpoints.layouts import (
    WeightsEntry,
    choice_remark,
    chosen_entries,
    weights_entries,
)
from exray.models.checkpoints.model_file import FileForm, ModelFile
from exray.models.checkpoints.pickles.contents import StoredObject, StoredTensor, objects_in
from exray.models.checkpoints.pickles.layer_allowlist import MissingTorchvisionError
from exray.models.checkpoints.pickles.values import BrokenPickleError
from exray.models.checkpoints.state_dict import SAVE_AGAIN, checked, unusable, without_prefixes
from exray.models.checkpoints.torch_files import (
    TorchContents,
    damaged,
    is_program,
    load_legacy,
    load_zipped,
)
from exray.models.checkpoints.whole_network import (
    UnusualNetworkError,
    check_network,
    mend,
    rebuilt,
    unknown_classes,
    unwrapped_network,
)
from exray.text import shown, some

WEIGHTS_ALONE = "holds weights without a network"


def torch_checkpoint(file: ModelFile, weights: str | None) -> Checkpoint:
    """The weights, or the network of known layers, in what ``torch.save`` wrote.

    A network is taken before weights alone, and the likeliest weights before others, which stay
    to be read; see :func:`exray.models.checkpoints.layouts.weights_entries`.

    Args:
        file: A zip archive, or pickles.
        weights: See :func:`exray.models.checkpoints.reader.read_checkpoint`.

    Raises:
        CheckpointError: If it is no checkpoint, would run code, or holds no weights.
    """
    path = file.path
    found = torch_contents(file)
    every = weights_entries(found.value)
    entries = chosen_entries(every, weights, path)
    if not entries:
        raise _no_weights(found.value, path)
    objects = objects_in(found.value)

    def remark(entry: WeightsEntry) -> str:
        text = choice_remark(entry, every, found.value, objects)
        return f"{path.name}: {text}" if text else ""

    others = tuple(
        OtherWeights(
            key=entry.key,
            shapes={name: tuple(value.shape) for name, value in entry.weights.items()},
            read=partial(_read_other, entry, found, path, remark),
        )
        for entry in entries
    )
    network = next((entry for entry in entries if _is_known(entry)), None)
    if network is not None:
        whole = _whole_network(network, found, path)
        rest = tuple(other for other in others if other.key != network.key)
        return replace(whole, others=rest, choice=remark(network))
    state, choice = others[0].read()
    return Checkpoint(state=state, choice=choice, unbuilt=_unbuilt(entries), others=others[1:])


def torch_contents(file: ModelFile) -> TorchContents:
    """What a zip archive or pickles hold; nothing is read but the pickles.

    Raises:
        CheckpointError: As :func:`torch_checkpoint`.
    """
    return load_zipped(file) if file.form is FileForm.ZIP else load_legacy(file)


def torch_network_problem(file: ModelFile) -> str:
    """Why no network can be built from what ``torch.save`` wrote, as a clause; empty if it can.

    Args:
        file: A zip archive, or pickles.

    Raises:
        CheckpointError: As :func:`torch_checkpoint`.
    """
    if file.form is FileForm.ZIP and is_program(file):
        return WEIGHTS_ALONE
    entries = weights_entries(torch_contents(file).value)
    return "" if any(map(_is_known, entries)) else _unbuilt(entries) or WEIGHTS_ALONE


def _is_known(entry: WeightsEntry) -> bool:
    """Whether an entry is a network of layers on the list, perhaps inside a wrapper."""
    return entry.network is not None and not unknown_classes(unwrapped_network(entry.network))


def _unbuilt(entries: Sequence[WeightsEntry]) -> str:
    """Why the networks among the entries cannot be built; empty where there are none."""
    network = next((entry.network for entry in entries if entry.network is not None), None)
    if network is None:
        return ""
    classes = some(unknown_classes(unwrapped_network(network)), 6)
    return f"holds a whole network, whose classes are code ({classes}) and are not run"


def _read_other(
    entry: WeightsEntry,
    found: TorchContents,
    path: Path,
    remark: Callable[[WeightsEntry], str],
) -> tuple[dict[str, Tensor], str]:
    return checked(without_prefixes(_read(entry, found, path)), path), remark(entry)


def _read(entry: WeightsEntry, found: TorchContents, path: Path) -> dict[str, Tensor]:
    """An entry's tensors, read from the file."""
    state = {}
    packed = next((name for name in entry.others if name.endswith("._packed_params")), None)
    if packed is not None:  # what torch.ao.quantization makes of a layer
        raise unusable(packed, path)
    try:
        for name, value in entry.weights.items():
            if isinstance(value, Tensor):
                state[name] = value
                continue
            if value.problem:
                raise unusable(name, path)
            state[name] = value.read(found.storages)
    except (BrokenPickleError, RuntimeError, OSError) as error:
        raise damaged(path, shown(str(error).partition("\n")[0], 160)) from error
    return state


def _no_weights(value: object, path: Path) -> CheckpointError:
    """What a file without weights by name is answered."""
    if not isinstance(value, Mapping):
        kind = value.path if isinstance(value, StoredObject) else type(value).__name__
        kind = "Tensor" if isinstance(value, StoredTensor) else kind
        return CheckpointError(path, f"holds a {shown(kind)}, not a state dict", SAVE_AGAIN)
    keys = some([str(key) for key in value]) or "none"
    return CheckpointError(path, f"holds no tensors by name under its keys: {keys}", SAVE_AGAIN)


def _whole_network(entry: WeightsEntry, found: TorchContents, path: Path) -> Checkpoint:
    """A network of known layers, refused unless its constructors could have made it."""
    assert entry.network is not None, entry.key
    try:
        stored = unwrapped_network(entry.network)
        network = rebuilt(stored, found.storages)
        check_network(network)
        added = mend(network)
        state: dict[str, Tensor] = network.state_dict()
    except MissingTorchvisionError as error:
        raise CheckpointError(
            path,
            f"needs {error}, which cannot be imported",
            f"install torchvision, or {SAVE_AGAIN} where it is installed",
        ) from error
    except (UnusualNetworkError, AttributeError, TypeError, RecursionError) as error:
        raise CheckpointError(
            path,
            f"holds a network that no constructor makes: it {error}",
            "do not trust its source",
        ) from error
    except (BrokenPickleError, RuntimeError, OSError) as error:
        raise damaged(path, shown(str(error).partition("\n")[0], 160)) from error
    small = any(value.is_floating_point() and value.element_size() < 4 for value in state.values())
    state = checked(state, path)
    network = network.float() if small else network
    remark = (
        f"{path.name} holds a whole {type(network).__name__}, rebuilt from a list of known layers"
    )
    if stored is not entry.network:
        remark += f", inside {shown(entry.network.path.rpartition('.')[2])}"
    if added:
        remark += f"; {', '.join(added)} were added, which its version did not store"
    return Checkpoint(state=state, network=network.eval().requires_grad_(False), remarks=(remark,))
