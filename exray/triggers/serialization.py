"""Triggers as plain values and arrays, and back: what a file can hold."""

from collections.abc import Mapping

import torch
from torch import Tensor

from exray.schema import by_kind
from exray.triggers.base import Trigger


def trigger_kinds() -> dict[str, type[Trigger]]:
    """Every class of triggers that states a kind, by that kind.

    Those of ``exray.triggers`` are imported here; a class of another package counts once its
    module is imported, which the scanner that makes such triggers does.

    Raises:
        TypeError: If two classes state the same kind.
    """
    return by_kind(Trigger, "exray.triggers")  # type: ignore[type-abstract]


def is_storable(kind: type[Trigger]) -> bool:
    """Whether triggers of a class can be stored: whether the class itself states its kind."""
    return "kind" in vars(kind)


def to_storage(trigger: Trigger) -> tuple[dict[str, object], dict[str, Tensor]]:
    """A trigger as values for JSON and tensors for safetensors.

    Args:
        trigger: Of a class that states its kind.

    Returns:
        The kind with its plain values, and its tensors by field.

    Raises:
        ValueError: If its class states no kind; says what to do.

    Example:
        >>> from exray.triggers.patch import PatchTrigger
        >>> trigger = PatchTrigger(mask=torch.zeros(2, 2), pattern=torch.ones(3, 2, 2))
        >>> values, tensors = to_storage(trigger)
        >>> values, sorted(tensors)
        ({'kind': 'patch'}, ['mask', 'pattern'])
    """
    if not is_storable(type(trigger)):
        raise ValueError(
            f"a {type(trigger).__name__} cannot be stored: its class states no kind; "
            f"these do: {', '.join(trigger_kinds())}"
        )
    return {"kind": trigger.kind, **trigger.to_options()}, trigger.to_arrays()


def from_storage(
    values: Mapping[str, object], tensors: Mapping[str, Tensor], *, device: torch.device
) -> Trigger:
    """The trigger that `to_storage` took apart.

    Args:
        values: The kind with its plain values, as JSON gives them back. The name of the class
            stands for its kind, as files written by exray 0.1 have it.
        tensors: Its tensors by field.
        device: Where the tensors shall lie.

    Raises:
        ValueError: If there is no such kind, or a field is missing, unknown or does not fit.
    """
    kinds = trigger_kinds()
    names = {**{kind.__name__: kind for kind in kinds.values()}, **kinds}
    name = values.get("kind")
    if not isinstance(name, str) or name not in names:
        raise ValueError(f"trigger kind must be one of {', '.join(kinds)}; got {name!r}")
    arrays = {field: tensor.to(device) for field, tensor in tensors.items()}
    options = {field: value for field, value in values.items() if field != "kind"}
    return names[name].from_arrays(arrays, options)
