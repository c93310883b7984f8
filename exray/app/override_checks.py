"""Mistakes on the command line, found before anything slow is imported, in one line each."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from shutil import which

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

from exray.app.config import TASK_NAMES, RootConfig
from exray.pipeline.sharding import parse_shard, require_limit
from exray.presets import conf_folder

CONF = conf_folder()
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
_ON_CLUSTERS = ("slurm", "submitit_slurm")  # launchers that ask srun
_BARE_FLAGS = (  # Hydra's
    *("--help", "-h", "--hydra-help", "--version", "--resolve", "--run", "-r"),
    *("--multirun", "-m", "--shell-completion", "-sc"),
)
_FLAGS_WITH_VALUE = (
    *("--cfg", "-c", "--package", "-p", "--experimental-rerun", "--info", "-i"),
    *("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"),
)
_NOISE = ("full_key", "object_type", "reference_type", "See https://", "To append to your")


def arranged(words: Sequence[str]) -> list[str]:
    """The words with Hydra's flags in front, as its parser wants them.

    Args:
        words: The command line.

    Example:
        >>> arranged(["judge=none,l2", "-m", "seed=1", "--cfg", "job"])
        ['-m', '--cfg', 'job', 'judge=none,l2', 'seed=1']
    """
    flags, overrides = _parted(words)
    return [*flags, *overrides]


def first_mistake(words: Sequence[str], *, whole: bool = True) -> str:
    """What is wrong with the overrides, in one line; empty where they compose.

    Of a sweep every value is tried once, beside the first values of what else is swept. Words that
    fit some cells and not others are refused, and the first cell that they do not fit is named.

    Args:
        words: The command line.
        whole: Whether all that a run needs must be given.
    """
    overrides = _overrides_in(words)
    first = _flag_mistake(words) or _launcher_mistake(words)
    if first or not _is_sweep(words):
        return first or _mistake(overrides, whole=whole)
    try:
        cells = list(_cells(overrides))
        repeated = _repeated(overrides)
    except HydraException as error:
        return _explained(error, overrides)
    if repeated:
        return repeated
    mistakes = [(cell, mistake) for cell in cells if (mistake := _mistake(cell, whole=whole))]
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
    return _parted(words)[1]


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's flags with their values, which hold no =, and all other words."""
    flags: list[str] = []
    overrides: list[str] = []
    before = ""
    for word in words:
        is_value = before in _FLAGS_WITH_VALUE and "=" not in word
        (flags if is_value or word.startswith("-") else overrides).append(word)
        before = word
    return flags, overrides


def _flag_mistake(words: Sequence[str]) -> str:
    """What is wrong with the flags: one that is none."""
    for word in words:
        known = word.partition("=")[0] in (*_BARE_FLAGS, *_FLAGS_WITH_VALUE)
        if word.startswith("-") and not known:
            return f"{word} is no option; settings are KEY=VALUE, and --help lists them"
    return ""


def _repeated(overrides: Sequence[str]) -> str:
    """What is swept over one value twice, which would be one cell run twice."""
    for each in OverridesParser.create().parse_overrides(list(overrides)):
        values = list(each.sweep_string_iterator()) if each.is_discrete_sweep() else []
        twice = [value for place, value in enumerate(values) if value in values[:place]]
        if twice:
            return f"{each.get_key_element()} is swept over {twice[0]} twice; give each value once"
    return ""


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
    if chosen[-1] in _ON_CLUSTERS and which("srun") is None:
        return (
            f"{_LAUNCHER}={chosen[-1]} needs a cluster's login node: there is no srun here; "
            f"{_LAUNCHER}=local runs cells in several processes of this machine"
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


def _mistake(overrides: Sequence[str], *, whole: bool) -> str:
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
        return f"{one_line(error).rpartition(': ')[2]} must be given" if whole else ""
    except (HydraException, OmegaConfBaseException) as error:
        return _explained(error, overrides)
    roots = [spec.name for spec in fields(RootConfig)]
    unknown = [str(key) for key in config if key not in roots]
    if unknown:
        return _unknown(unknown[0], roots)
    if missing and whole:
        given = " ".join(f"{key}=..." for key in missing)
        return f"{missing[0]} must be given; missing: {given}"
    return _value_mistake(config)


def _value_mistake(config: DictConfig) -> str:
    """What is wrong with the values at the root that say what is to be done."""
    if config.task not in TASK_NAMES:
        return f"task must be one of {', '.join(TASK_NAMES)}; got {config.task!r}"
    try:
        parse_shard(config.shard)
        require_limit(config.limit)
    except ValueError as error:
        return str(error)
    return ""


def _explained(error: Exception, overrides: Sequence[str]) -> str:
    """A refused override in words."""
    if "mismatched input '='" in str(error):
        word = next(word for word in overrides if word.count("=") > 1)
        key, _, value = word.partition("=")
        return f"{word} holds a second =, so it needs quotes in quotes: '{key}=\"{value}\"'"
    cause = error.__cause__
    if "is not a ListConfig" in str(cause):
        word = next((word for word in overrides if f"override {word}" in str(error)), "")
        key, _, value = word.partition("=")
        return f"{key} must be a list, {key}=[{value}]; got {value}"
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
