"""Puts a state dict into a network."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from exray.errors import CheckpointError
from exray.models.checkpoints.checkpoint import Checkpoint
from exray.models.checkpoints.fit import Fit, fit
from exray.models.checkpoints.keras.weights import KerasError, fitted
from exray.models.checkpoints.layouts import WEIGHTS_FLAG
from exray.text import some

_CHOOSE = f"choose one of them with {WEIGHTS_FLAG}PREFIX"
_OTHER_NETWORK = "name the network that it was saved from with architecture or factory"


def state_for(
    network: nn.Module, checkpoint: Checkpoint, path: Path, *, shapes: bool = True
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """A checkpoint's weights under a network's own names, with remarks on how they were found.

    Of several state dicts in the file the first that fits is taken; if none does, the likeliest.

    Args:
        network: What they are for.
        checkpoint: What a file held.
        path: The file, for messages.
        shapes: Whether shapes must fit; otherwise names alone do, as where the number of classes
            is still to be read from them.

    Raises:
        CheckpointError: If weights that fit by order are of another number of layers.
    """
    if checkpoint.by_order:
        try:
            return fitted(checkpoint.state, network), ()
        except KerasError as error:
            raise CheckpointError(
                path, f"does not fit the network: it {error}", _OTHER_NETWORK
            ) from error
    own = _without_twins(network.state_dict(), [name for one in checkpoint.shapes for name in one])
    for place, stored in enumerate(checkpoint.shapes):
        found = fit(own, stored, shapes=shapes)
        if found.fits:
            state, remark = checkpoint.read(place)
            return found.apply(state), (*((remark,) if remark else ()), *found.remarks())
    return checkpoint.state, ()


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Put all weights into a network, or refuse and leave the network as it was.

    ``num_batches_tracked`` may be missing or left over, since nothing is computed from it in eval
    mode, a single number may have shape ``()`` or ``(1,)``, a prefix may be on either side, and
    weights kept in parts are put together; see :func:`exray.models.checkpoints.fit.fit`.

    Args:
        network: Filled in place.
        state: As :func:`read_state` gives it.
        path: The file they came from, for messages.

    Raises:
        CheckpointError: If names or shapes differ, with the first three of each kind.
    """
    own: dict[str, Tensor] = network.state_dict()
    found = fit(_without_twins(own, state), _shapes(state))
    problems = {**found.problems, "still quantised": _quantised(own, state, found)}
    if any(problems.values()):
        listed = "; ".join(f"{kind}: {some(keys)}" for kind, keys in problems.items() if keys)
        way_out = _CHOOSE if found.is_ambiguous else _OTHER_NETWORK
        raise CheckpointError(path, f"does not fit the network; {listed}", way_out)
    fitting = {key: value.reshape(own[key].shape) for key, value in found.apply(state).items()}
    network.load_state_dict({**own, **fitting})  # own names of a tied weight share its memory


def _quantised(own: Mapping[str, Tensor], state: Mapping[str, Tensor], found: Fit) -> list[str]:
    return [
        f"{key} ({state[name].dtype})"
        for key, name in found.names.items()
        if name in state
        and state[name].dtype in (torch.int8, torch.uint8)
        and own[key].is_floating_point()
    ]


def _without_twins(own: Mapping[str, Tensor], stored: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Sides of a network's weights by name, without second names of tied ones that a file lacks."""
    ends = tuple(stored)
    groups: dict[tuple[int, torch.Size], list[str]] = {}
    for name, value in own.items():
        if value.numel() and not value.is_meta:
            groups.setdefault((value.data_ptr(), value.shape), []).append(name)
    twins = set()
    for names in groups.values():
        there = [name for name in names if any(_ends(end, name) for end in ends)]
        twins |= set(names) - set(there) if len(names) > 1 and there else set()
    return _shapes({name: value for name, value in own.items() if name not in twins})


def _ends(stored: str, own: str) -> bool:
    return stored == own or stored.endswith(f".{own}")


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}
