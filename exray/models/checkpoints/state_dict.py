"""A state dict in its plain form: unwrapped, without prefixes, dense and finite."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from exray.errors import CheckpointError
from exray.text import some

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")


_PREFIXES = ("module.", "_orig_mod.")  # of nn.DataParallel and of torch.compile


SAVE_AGAIN = "save it again with torch.save(network.state_dict(), FILE)"


def unwrapped(content: object, path: Path) -> dict[str, Tensor] | nn.Module:
    """The state dict, or the whole network, inside what was saved.

    Args:
        content: What a checkpoint held.
        path: The file, for messages.

    Raises:
        CheckpointError: If there is neither.

    Example:
        >>> unwrapped({"epoch": 3, "state_dict": {"bias": torch.ones(1)}}, Path("m.pt"))
        {'bias': tensor([1.])}
    """
    for _ in range(3):
        if isinstance(content, nn.Module):
            return content
        if not isinstance(content, Mapping):
            raise CheckpointError(
                path, f"holds a {type(content).__name__}, not a state dict", SAVE_AGAIN
            )
        inner = (content.get(key) for key in _WRAPPERS)
        kinds = (Mapping, nn.Module)
        content = next((value for value in inner if isinstance(value, kinds)), content)
    if isinstance(content, nn.Module):
        return content
    assert isinstance(content, Mapping), type(content)
    if not any(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(
            path,
            f"holds no tensors under its keys: {some([str(key) for key in content]) or 'none'}",
            f"put the state dict at the top or under {', '.join(_WRAPPERS)}, or {SAVE_AGAIN}",
        )
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                path,
                f"holds more than weights: {key!r} is a {type(value).__name__}",
                SAVE_AGAIN,
            )
    return dict(content)


def checked(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Dense, finite weights of at least 32 bits.

    Args:
        state: Weights by name.
        path: The file they came from, for messages.

    Raises:
        CheckpointError: If one is sparse, quantised, empty of data, or not finite.
    """
    dense = {}
    for key, value in state.items():
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise CheckpointError(
                path,
                f"holds {key!r} as a sparse, quantised or empty tensor",
                "save plain dense weights",
            )
        small = value.is_floating_point() and value.element_size() < 4
        dense[key] = value.float() if small else value.detach()
        if not dense[key].isfinite().all():
            count = int((~dense[key].isfinite()).sum())
            raise CheckpointError(
                path,
                f"has weights that are not finite: {count} of {value.numel()} in {key!r}",
                "train or export the network again",
            )
    return dense


def shared_prefix(keys: list[str]) -> str:
    """The wrappers' prefix that all names have.

    Example:
        >>> shared_prefix(["module._orig_mod.a", "module._orig_mod.b"])
        'module._orig_mod.'
    """
    prefix = ""
    while keys:
        shared = [p for p in _PREFIXES if all(key.startswith(prefix + p) for key in keys)]
        if not shared:
            break
        prefix += shared[0]
    return prefix


def without_prefixes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights without the prefix that all of their names share."""
    prefix = shared_prefix(list(state))
    return {key.removeprefix(prefix): value for key, value in state.items()}
