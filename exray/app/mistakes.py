"""Mistakes on the command line, found before anything slow is imported, in one line each."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
)

from exray.app.config import RootConfig

CONF = Path(__file__).resolve().parents[2] / "conf"
_LAUNCHER = "hydra/launcher"
_PLUGINS = {  # the package that a launcher comes with, and the extra that installs it
    "local": ("hydra_joblib_launcher", "local"),
    "joblib": ("hydra_joblib_launcher", "local"),
    "slurm": ("hydra_submitit_launcher", "slurm"),
    "slurm_local": ("hydra_submitit_launcher", "slurm"),
    "submitit_local": ("hydra_submitit_launcher", "slurm"),
    "submitit_slurm": ("hydra_submitit_launcher", "slurm"),
    "ray": ("hydra_ray_launcher", "ray"),
    "ray_local": ("hydra_ray_launcher", "ray"),
}
_NOISE = ("full_key", "object_type", "reference_type", "See https://", "To append to your")


def first_mistake(words: Sequence[str]) -> str:
    """What is wrong with the overrides, in one line; empty where they compose.

    Of a sweep every value is tried once, beside the first values of what else is swept. Words that
    fit some cells and not others are refused, and the first cell that they do not fit is named.

    Args:
        words: The command line.
    """
    overrides = _overrides_in(words)
    launcher = _launcher_mistake(words)
    if launcher or not _is_sweep(words):
        return launcher or _mistake(overrides)
    try:
        cells = list(_cells(overrides))
    except HydraException as error:
        return _explained(error, overrides)
    mistakes = [(cell, mistake) for cell in cells if (mistake := _mistake(cell))]
    if len(mistakes) in (0, len(cells)):
        return mistakes[0][1] if mistakes else ""
    cell, mistake = mistakes[0]
    swept = ",".join(word for word in cell if word not in overrides)
    return f"{mistake} (in cell {swept}; words must fit every cell: sweep the others without it)"


def sweeps_in(words: Sequence[str]) -> list[str]:
    """The overrides that hold more than one value.

    Example:
        >>> sweeps_in(["-m", "judge=none,exray", "seed=1"])
        ['judge=none,exray']
    """
    parser = OverridesParser.create()
    return [
        word for word in _overrides_in(words) if parser.parse_override(word).is_sweep_override()
    ]


def may_sweep(words: Sequence[str]) -> bool:
    """Whether these words may begin a sweep; an experiment does so without ``-m``.

    Args:
        words: The command line.

    Example:
        >>> may_sweep(["judge=none"]), may_sweep(["-m", "seed=0,1"]), may_sweep(["experiment=x"])
        (False, True, True)
    """
    return _is_sweep(words) or any(word.startswith("experiment=") for word in words)


def results_root(words: Sequence[str]) -> Path:
    """The folder of all runs that a command's words choose, those of its first cell.

    Args:
        words: The command line, without a mistake.
    """
    first = next(_cells(_overrides_in(words)))
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return Path(compose("config", overrides=first).paths.results)


def one_line(error: BaseException) -> str:
    """An error's own words, without Hydra's advice and the names of its internals."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(_NOISE)]
    return "; ".join(kept).replace(":;", ":").replace(".;", ";") or type(error).__name__


def _overrides_in(words: Sequence[str]) -> list[str]:
    return [word for word in words if not word.startswith("-")]


def _is_sweep(words: Sequence[str]) -> bool:
    return any(word in ("-m", "--multirun") for word in words)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor its parent
        return False


def _launcher_mistake(words: Sequence[str]) -> str:
    """What is wrong with the choice of a launcher: not installed, or nothing to launch."""
    chosen = [word.partition("=")[2] for word in words if word.startswith(f"{_LAUNCHER}=")]
    if not chosen:
        return ""
    plugin, extra = _PLUGINS.get(chosen[-1], ("", ""))
    if plugin and not _is_installed(f"hydra_plugins.{plugin}"):
        return (
            f"{_LAUNCHER}={chosen[-1]} needs {plugin.replace('_', '-')}, which is not installed; "
            f"pip install 'exray[{extra}]'"
        )
    if not may_sweep(words):
        return f"{_LAUNCHER}={chosen[-1]} does nothing without -m, which begins a sweep"
    return ""


def _cells(overrides: Sequence[str]) -> Iterator[list[str]]:
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    choices = [
        [f"{each.get_key_element()}={value}" for value in each.sweep_string_iterator()]
        if each.is_discrete_sweep()
        else [str(each.input_line)]
        for each in parsed
    ]
    firsts = [values[0] for values in choices]
    yield firsts
    for place, values in enumerate(choices):
        for value in values[1:]:
            yield [*firsts[:place], value, *firsts[place + 1 :]]


def _mistake(overrides: Sequence[str]) -> str:
    """What is wrong with one job's overrides."""
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("config", overrides=list(overrides))
        missing = sorted(OmegaConf.missing_keys(config))
    except MissingConfigException as error:
        group, _, option = str(error.missing_cfg_file or "").rpartition("/")
        known = ", ".join(error.options or ()) or "none"
        return f"{group} has no option {option!r}; it has: {known}"
    except InterpolationToMissingValueError as error:
        return f"{one_line(error).rpartition(': ')[2]} must be given"
    except (HydraException, OmegaConfBaseException) as error:
        return _explained(error, overrides)
    roots = [spec.name for spec in fields(RootConfig)]
    unknown = [str(key) for key in config if key not in roots]
    if unknown:
        return _unknown(unknown[0], roots)
    if missing:
        given = " ".join(f"{key}=..." for key in missing)
        return f"{missing[0]} must be given; missing: {given}"
    return ""


def _explained(error: Exception, overrides: Sequence[str]) -> str:
    """A refused override in words."""
    if "mismatched input '='" in str(error):
        word = next(word for word in overrides if word.count("=") > 1)
        key, _, value = word.partition("=")
        return f"{word} holds a second =, so it needs quotes in quotes: '{key}=\"{value}\"'"
    cause = error.__cause__
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        there = cause.parent_node if isinstance(cause.parent_node, DictConfig) else {}
        known = [str(key) for key in there if key not in ("hydra", "_target_")]
        return _unknown(str(cause.full_key), known)
    reason = f": {one_line(cause)}" if isinstance(cause, OmegaConfBaseException) else ""
    return f"{one_line(error)}{reason}"


def _unknown(key: str, known: Sequence[str]) -> str:
    parent, _, name = key.rpartition(".")
    return (
        f"{parent or 'the configuration'} has no key {name!r}; it has: {', '.join(known) or 'none'}"
    )
