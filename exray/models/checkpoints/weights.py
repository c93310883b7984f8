"""Puts a state dict into a network."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from exray.errors import CheckpointError
from exray.models.checkpoints.keras.weights import KerasError, fitted
from exray.models.checkpoints.reader import Checkpoint
from exray.models.checkpoints.state_dict import shared_prefix, without_prefixes
from exray.text import some


def state_for(network: nn.Module, checkpoint: Checkpoint, path: Path) -> dict[str, Tensor]:
    """A checkpoint's weights under a network's own names.

    Args:
        network: What they are for.
        checkpoint: What a file held.
        path: The file, for messages.

    Raises:
        CheckpointError: If weights that fit by order are of another number of layers.
    """
    if not checkpoint.by_order:
        return checkpoint.state
    try:
        return fitted(checkpoint.state, network)
    except KerasError as error:
        raise CheckpointError(
            path,
            f"does not fit the network: it {error}",
            "name the network that it was saved from with architecture or factory",
        ) from error


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Put all weights into a network, or refuse and leave the network as it was.

    ``num_batches_tracked`` may be missing or left over, since nothing is computed from it in eval
    mode, a single number may have shape ``()`` or ``(1,)``, and ``module.`` and ``_orig_mod.``
    prefixes may be on either side.

    Args:
        network: Filled in place.
        state: As :func:`read_state` gives it.
        path: The file they came from, for messages.

    Raises:
        CheckpointError: If names or shapes differ, with the first three of each kind.
    """
    own: dict[str, Tensor] = network.state_dict()
    prefix = shared_prefix(list(own))
    weights = {prefix + key: value for key, value in without_prefixes(state).items()}
    problems = _mismatches(own, weights)
    if any(problems.values()):
        listed = "; ".join(f"{kind}: {some(keys)}" for kind, keys in problems.items() if keys)
        raise CheckpointError(
            path,
            f"does not fit the network; {listed}",
            "name the network that it was saved from with architecture or factory",
        )
    fitting = {key: weights[key].reshape(own[key].shape) for key in own if key in weights}
    network.load_state_dict({**own, **fitting})


def _mismatches(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """The names at which a file's weights do not fit the network's, by kind of trouble."""
    pairs = {key: (weights[key], own[key]) for key in own if key in weights}
    return {
        "missing": [key for key in own if key not in weights and not _is_batch_count(key)],
        "unexpected": [key for key in weights if key not in own and not _is_batch_count(key)],
        "of another shape": [
            f"{key} ({_shape(value)} in the file, {_shape(place)} in the network)"
            for key, (value, place) in pairs.items()
            if value.shape != place.shape and not value.numel() == place.numel() == 1
        ],
        "still quantised": [
            f"{key} ({value.dtype})"
            for key, (value, place) in pairs.items()
            if value.dtype in (torch.int8, torch.uint8) and place.is_floating_point()
        ],
    }


def _is_batch_count(key: str) -> bool:
    return key.rpartition(".")[2] == "num_batches_tracked"


def _shape(tensor: Tensor) -> str:
    return " x ".join(str(side) for side in tensor.shape) or "one number"
