"""Paths among a command line's settings, quoted for Hydra as its grammar wants them."""

import re
from collections.abc import Sequence
from pathlib import Path

_PATH_KEYS = (
    "dataset.model", "dataset.images", "dataset.factory", "dataset.root", "dataset.zoo",
    "scanner.triggers", "judge.engine.rule.file", "hydra.sweep.dir",
)  # fmt: skip
_PATH_GROUP = "paths."
_PLAIN = re.compile(r"[\w./-]+", re.ASCII)  # signs that Hydra reads as one text
_NUMBER = re.compile(r"[+-]?[\d._]*(e[+-]?\d+)?|[+-]?inf|nan|true|false", re.IGNORECASE)
_QUOTED = re.compile(r"""'.*'|".*\"""", re.DOTALL)
_SWEPT = re.compile(r"(choice|range|interval|glob|sort|shuffle|tag)\(.*\)", re.DOTALL)


def quoted_paths(words: Sequence[str], *, is_sweep: bool) -> list[str]:
    """The settings with their paths quoted where Hydra would take a path apart.

    A path may hold spaces, commas, ``=``, brackets, quotes or ``#``, and begin with ``~/``, which
    shells leave alone behind a ``=``. What is quoted already, an interpolation, and a sweep over
    several paths stay what they are.

    Args:
        words: The settings, ``KEY=VALUE``.
        is_sweep: Whether commas separate the values of a sweep.

    Example:
        >>> quoted_paths(["dataset.model=epoch=3 (best).ckpt", "seed=0,1"], is_sweep=True)
        ["dataset.model='epoch=3 (best).ckpt'", 'seed=0,1']
    """
    return [_quoted_path(word, is_sweep) for word in words]


def quoted(value: str) -> str:
    r"""A text as Hydra's grammar writes one, and OmegaConf takes it: no part of it means anything.

    Args:
        value: Any text.

    Example:
        >>> print(quoted("it's ${a}"))
        'it\'s \${a}'
    """
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    text = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", text) + "'"


def _quoted_path(word: str, is_sweep: bool) -> str:
    key, equals, value = word.partition("=")
    name = key.lstrip("+")
    if not equals or not (name in _PATH_KEYS or name.startswith(_PATH_GROUP)):
        return word
    return f"{key}={_as_hydra_reads(value, is_sweep)}"


def _as_hydra_reads(value: str, is_sweep: bool) -> str:
    path = at_home(value)
    means_itself = path.lower() in ("", "null")
    if means_itself or (_PLAIN.fullmatch(path) and not _NUMBER.fullmatch(path)):
        return path
    if _exists(path):
        return quoted(path)
    if _QUOTED.fullmatch(value) or "${" in value or (is_sweep and _SWEPT.fullmatch(value)):
        return value
    parts = path.split(",")
    if len(parts) > 1 and (is_sweep or all(map(_exists, parts))):
        return ",".join(_as_hydra_reads(part, is_sweep) for part in parts)
    return quoted(path)


def at_home(value: str) -> str:
    """A path with the user's home in place of a leading ``~/``, which shells leave behind a ``=``.

    Args:
        value: The path.
    """
    try:
        return str(Path(value).expanduser()) if value.startswith("~/") else value
    except RuntimeError:  # there is no home
        return value


def _exists(path: str) -> bool:
    """Whether a path, or the file of a factory, is there."""
    file = path.rpartition(":")[0] if re.search(r"\.py:\w+$", path) else path
    try:
        return Path(file).exists()
    except (OSError, ValueError):  # too long, or a null byte
        return False
