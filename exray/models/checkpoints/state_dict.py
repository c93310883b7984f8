"""A state dict in its plain form: without prefixes, dense and finite."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from exray.errors import CheckpointError
from exray.text import shown

_PREFIXES = ("module.", "_orig_mod.")  # of nn.DataParallel and of torch.compile
SAVE_AGAIN = "save it again with torch.save(network.state_dict(), FILE)"


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
            raise unusable(key, path)
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


def unusable(name: str, path: Path) -> CheckpointError:
    """The answer to a weight that nothing can be computed with.

    Args:
        name: Its name.
        path: Its file.
    """
    return CheckpointError(
        path,
        f"holds {shown(name)!r} as a sparse, quantised or empty tensor",
        "save plain dense weights",
    )


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
