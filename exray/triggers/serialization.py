"""Triggers as plain values and arrays, and back: what a file can hold."""

from dataclasses import fields
from enum import StrEnum
from typing import get_origin, get_type_hints

import torch
from torch import Tensor

from exray.triggers.base import Trigger
from exray.triggers.filter import FilterTrigger
from exray.triggers.instagram import InstagramTrigger
from exray.triggers.paired import PairedTrigger
from exray.triggers.patch import PatchTrigger
from exray.triggers.recolouring import RecolourTrigger

KINDS: tuple[type[Trigger], ...] = (
    PatchTrigger,
    FilterTrigger,
    InstagramTrigger,
    PairedTrigger,
    RecolourTrigger,
)
"""Triggers that can be stored: dataclasses of tensors and plain values. A new kind is one entry."""


def packed(trigger: Trigger) -> tuple[dict[str, object], dict[str, Tensor]]:
    """A trigger as values for JSON and tensors for safetensors.

    Args:
        trigger: Of one of `KINDS`.

    Returns:
        The kind's name with its plain values, and its tensors by field.

    Raises:
        ValueError: If there is no such kind; says what to do.

    Example:
        >>> trigger = PatchTrigger(mask=torch.zeros(2, 2), pattern=torch.ones(3, 2, 2))
        >>> values, tensors = packed(trigger)
        >>> values, sorted(tensors)
        ({'kind': 'PatchTrigger'}, ['mask', 'pattern'])
    """
    if type(trigger) not in KINDS:
        known = ", ".join(kind.__name__ for kind in KINDS)
        raise ValueError(
            f"a {type(trigger).__name__} cannot be stored; exray.triggers.serialization.KINDS "
            f"holds: {known}"
        )
    values: dict[str, object] = {"kind": type(trigger).__name__}
    tensors: dict[str, Tensor] = {}
    for field in fields(trigger):  # type: ignore[arg-type]  # every kind is a dataclass
        value = getattr(trigger, field.name)
        if isinstance(value, Tensor):
            # A copy of its own: safetensors refuses shared and expanded memory.
            tensors[field.name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        else:
            values[field.name] = value
    return values, tensors


def unpacked(
    values: dict[str, object], tensors: dict[str, Tensor], *, device: torch.device
) -> Trigger:
    """The trigger that `packed` took apart.

    Args:
        values: The kind's name with its plain values, as JSON gives them back.
        tensors: Its tensors by field.
        device: Where the tensors shall lie.

    Raises:
        ValueError: If there is no such kind.
        TypeError: If a field is missing or unknown.
    """
    kinds = {kind.__name__: kind for kind in KINDS}
    name = values.get("kind")
    if name not in kinds:
        raise ValueError(f"trigger kind must be one of {', '.join(kinds)}; got {name!r}")
    kind = kinds[str(name)]
    wanted = get_type_hints(kind)
    plain = {
        field: _restored(value, wanted.get(field))
        for field, value in values.items()
        if field != "kind"
    }
    return kind(**plain, **{field: value.to(device) for field, value in tensors.items()})


def _restored(value: object, wanted: object) -> object:
    """A value as it was before JSON made lists of tuples and text of names."""
    if isinstance(value, list) and get_origin(wanted) is tuple:
        return tuple(value)
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return wanted(str(value))
    return value
