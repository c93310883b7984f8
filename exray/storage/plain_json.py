"""JSON of plain values."""

import json
import math
from collections.abc import Mapping

import numpy as np


def plain(value: object) -> object:
    """A value as JSON can hold it: non-finite numbers become null, unknown types become text.

    Args:
        value: Any value.

    Example:
        >>> from pathlib import Path
        >>> plain({"a": (1, float("nan")), "b": Path("x")})
        {'a': [1, None], 'b': 'x'}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return str(value)


def to_json(value: object, *, indent: int | None = None) -> bytes:
    """JSON text of a value, with null for numbers that are not finite."""
    return (json.dumps(plain(value), indent=indent, allow_nan=False) + "\n").encode()


def from_json(text: str) -> dict[str, object]:
    """The object that a JSON text holds.

    Args:
        text: JSON.

    Raises:
        ValueError: If the text is not a JSON object, or holds NaN.
    """
    values = json.loads(text, parse_constant=_refuse_constant)
    if not isinstance(values, dict):
        raise ValueError(f"must be a JSON object; got {type(values).__name__}")
    return values


def flatten(config: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """A nested mapping by dotted key.

    Args:
        config: The mapping.
        prefix: Prefix of every key.

    Example:
        >>> flatten({"scanner": {"steps": 60}, "seed": 0})
        {'scanner.steps': 60, 'seed': 0}
    """
    flat: dict[str, object] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
