"""Configurations without the places of classes, so that moved code makes no other run."""

import re
from collections.abc import Mapping

_CLASS_PATH = re.compile(r"exray(?:\.\w+)*\.(\w+)")


def without_paths(values: Mapping[str, object]) -> dict[str, object]:
    """The same values with each path of one of our classes cut to the class's name.

    Args:
        values: Plain values, as of a configuration.

    Example:
        >>> without_paths({"_target_": "exray.scanners.external.ExternalScanner", "seed": 3})
        {'_target_': 'ExternalScanner', 'seed': 3}
    """
    return {key: _without_path(value) for key, value in values.items()}


def _without_path(value: object) -> object:
    if isinstance(value, Mapping):
        return without_paths(value)
    if isinstance(value, list):
        return [_without_path(item) for item in value]
    match = _CLASS_PATH.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else value
