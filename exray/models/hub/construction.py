"""Networks that a stranger's description builds, held to the size of the stranger's weights."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules import module as registration

from exray.errors import CheckpointError
from exray.text import shown

PlainValue = str | int | float | bool | None | list["PlainValue"]

_MAX_MODULES = 20_000  # the largest classifier of timm has 3,000
_MAX_WHOLE = 2**20  # a number in a description: no width, side or depth is so large
_SPARE = 2**22  # numbers that a network may have beside those in its file: index buffers
_TIED = 2  # names that may share a tensor
_WAY_OUT = "do not trust its source"


class _OversizedError(Exception):
    """A network grows beyond its weights while it is built."""


def plain_values(values: Mapping[str, object], path: Path) -> dict[str, PlainValue]:
    """Those of a description's values that are plain: numbers, texts, and lists of them.

    Args:
        values: As JSON gives them. Objects in them are left out.
        path: The folder, for messages.

    Raises:
        CheckpointError: If a whole number is larger than any network's.

    Example:
        >>> plain_values({"depths": [2, 2], "label2id": {"a": 0}}, Path("f"))
        {'depths': [2, 2]}
    """
    return {name: value for name, value in values.items() if _is_plain(value, name, path)}  # type: ignore[misc]


def skeleton(
    build: Callable[[], nn.Module], state: Mapping[str, Tensor], path: Path, *, kind: str
) -> nn.Module:
    """A network that a description builds, without its numbers, once it fits its file's weights.

    It is built on torch's meta device, which takes no memory, and construction stops where it has
    more modules or numbers than the weights could fill.

    Args:
        build: Builds it.
        state: The weights that it is for.
        path: The folder, for messages.
        kind: What is built, for messages.

    Raises:
        CheckpointError: If it cannot be built, or is larger than its weights.
        NotImplementedError: If its constructor computes with its own values, as RegNet's does.
    """
    with torch.device("meta"):
        return _held_to(build, state, path, kind)


def built(
    build: Callable[[], nn.Module], state: Mapping[str, Tensor], path: Path, *, kind: str
) -> nn.Module:
    """A network that a library's own values build, no larger than its file's weights.

    Args:
        build: Builds it.
        state: As :func:`skeleton`.
        path: Likewise.
        kind: Likewise.

    Raises:
        CheckpointError: If it cannot be built, or is larger than its weights.
    """
    try:
        return _held_to(build, state, path, kind)
    except NotImplementedError as error:
        raise _unbuildable(path, kind, error) from error


def _held_to(
    build: Callable[[], nn.Module], state: Mapping[str, Tensor], path: Path, kind: str
) -> nn.Module:
    """What is built, while it has no more numbers than its weights could fill."""
    available = sum(tensor.numel() for tensor in state.values())
    try:
        with _bounded(_TIED * available + _SPARE):
            return build()
    except _OversizedError as error:
        problem = f"describes {kind} that {error}, and its weights are {available} numbers"
        raise CheckpointError(path, problem, _WAY_OUT) from error
    except Exception as error:  # whatever a constructor raises on a stranger's values
        if "meta tensor" in str(error):
            raise NotImplementedError(str(error)) from error
        raise _unbuildable(path, kind, error) from error


@contextmanager
def _bounded(limit: int) -> Iterator[None]:
    """Inside, a network that registers more modules or numbers than it may stops growing."""
    counts = {"modules": 0, "numbers": 0}

    def module_hook(module: nn.Module, name: str, child: nn.Module | None) -> None:
        del module, name, child
        counts["modules"] += 1
        if counts["modules"] > _MAX_MODULES:
            raise _OversizedError(f"has more than {_MAX_MODULES} layers")

    def tensor_hook(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        del module, name
        counts["numbers"] += 0 if tensor is None else tensor.numel()
        if counts["numbers"] > limit:
            raise _OversizedError(f"has more than {limit} numbers")

    handles = [
        registration.register_module_module_registration_hook(module_hook),
        registration.register_module_parameter_registration_hook(tensor_hook),
        registration.register_module_buffer_registration_hook(tensor_hook),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_plain(value: object, name: str, path: Path) -> bool:
    if isinstance(value, list):
        return all(_is_plain(item, name, path) for item in value)
    if isinstance(value, int) and abs(value) > _MAX_WHOLE:
        problem = f"describes a network with {shown(name)} = {shown(str(value)[:40])}"
        raise CheckpointError(path, problem, _WAY_OUT)
    return value is None or isinstance(value, str | int | float | bool)


def _unbuildable(path: Path, kind: str, error: Exception) -> CheckpointError:
    reason = shown(" ".join(f"{type(error).__name__}: {error}".split()), 200)
    return CheckpointError(
        path,
        f"describes {kind} that cannot be built ({reason})",
        "name the network with architecture or factory",
    )
