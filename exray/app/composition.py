"""The configuration that a command line composes, or its mistake in one line. Imports no torch."""

import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from shutil import which

from hydra import compose
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
)

from exray.app.config import TASK_NAMES, RootConfig, settle_fast_values
from exray.app.newcomer_checks import check_architecture_name, check_images, check_model
from exray.app.path_words import quoted, quoted_paths
from exray.pipeline.sharding import parse_shard, require_limit

_EXTRAS = {  # what installs a launcher or sweeper
    "hydra_joblib_launcher": "local",
    "hydra_submitit_launcher": "slurm",
    "hydra_ray_launcher": "ray",
    "hydra_optuna_sweeper": "optuna",
}
_FILE_DATASET = "exray.datasets.folder.FolderDataset"
_GRAMMAR = (
    "mismatched input", "extraneous input", "no viable alternative", "LexerNoViableAlt",
    "token recognition", "missing ",
)  # fmt: skip
_NOISE = ("full_key", "object_type", "reference_type", "See https://", "To append to your")


@dataclass(frozen=True, kw_only=True)
class Composition:
    """One job's configuration, and what Hydra is to do with it.

    Args:
        config: The configuration without Hydra's own part.
        begins_sweep: Whether it asks for a sweep by itself, as experiments do.
        launcher: Class path of the launcher.
        sweeper: Class path of the sweeper.
        logging: How messages are logged.
    """

    config: DictConfig
    begins_sweep: bool
    launcher: str
    sweeper: str
    logging: DictConfig


class CommandWords:
    """A command line: Hydra's flags and settings, in any order; paths need no quotes of Hydra's.

    Args:
        words: The words after the program's name.

    Raises:
        ValueError: If a flag is unknown.

    Example:
        >>> words = CommandWords(["judge=none,l2", "-m", "seed=1", "--cfg", "job"])
        >>> words.arranged, words.is_sweep
        (['-m', '--cfg', 'job', 'judge=none,l2', 'seed=1'], True)
    """

    def __init__(self, words: Sequence[str]) -> None:
        flags: Namespace
        flags, unknown = get_args_parser().parse_known_intermixed_args(list(words))
        if unknown:
            raise ValueError(
                f"{unknown[0]} is no option; settings are KEY=VALUE, and --help lists them"
            )
        self.is_sweep: bool = flags.multirun
        self.overrides = quoted_paths(flags.overrides, is_sweep=self.is_sweep)
        self.shows_config: bool = flags.cfg is not None
        self.runs = not (
            flags.cfg or flags.help or flags.hydra_help or flags.info or flags.shell_completion
        )
        self.arranged = [*(word for word in words if word not in flags.overrides), *self.overrides]

    def swept_keys(self) -> list[str]:
        """Keys that have more than one value."""
        parsed = OverridesParser.create().parse_overrides(self.overrides)
        return [str(word.get_key_element()) for word in parsed if word.is_sweep_override()]


def first_composition(words: CommandWords) -> Composition:
    """The configuration of a run, or of a sweep's first cell, when the command has no mistake.

    Of a sweep every value is tried once, beside the first values of what else is swept. Settings
    that fit some cells and not others are refused, and the first cell that they do not fit is
    named. Hydra must be initialised.

    Args:
        words: The command line.

    Raises:
        ValueError: What is wrong, in one line.
    """
    cells = _cells(words.overrides) if words.is_sweep else [words.overrides]
    compositions: list[Composition] = []
    mistakes: list[tuple[str, ValueError]] = []
    for cell in cells:
        try:
            compositions.append(composed(cell))
        except ValueError as error:
            swept = ",".join(word for word in cell if word not in words.overrides)
            mistakes.append((swept, error))
    if mistakes and not compositions:
        raise mistakes[0][1]
    if mistakes:
        swept, mistake = mistakes[0]
        raise ValueError(
            f"{mistake} (in cell {swept}; words must fit every cell: sweep the others without it)"
        )
    if "hydra_optuna_sweeper" in compositions[0].sweeper:
        _require_installed("hydra_optuna_sweeper", "hydra/sweeper=search")
    _check_launcher(compositions[0], words)
    return compositions[0]


def composed(overrides: Sequence[str], *, whole: bool = True) -> Composition:
    """The configuration of one job.

    Args:
        overrides: Its settings, ``KEY=VALUE``.
        whole: Whether all that a run needs must be given.

    Raises:
        ValueError: What is wrong, in one line.
    """
    try:
        config = compose("config", overrides=list(overrides), return_hydra_config=True)
        settings = config.hydra
        composition = Composition(
            config=config,
            begins_sweep=settings.mode == RunMode.MULTIRUN,
            launcher=str(settings.launcher.get("_target_")),
            sweeper=str(settings.sweeper.get("_target_")),
            logging=OmegaConf.masked_copy(settings, ["job_logging"]).job_logging,
        )
        with open_dict(config):
            del config["hydra"]
        settle_fast_values(config, overrides)
        if whole:
            _check_root(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(explained(error, overrides)) from error
    return composition


def _check_root(config: DictConfig) -> None:
    """Refuses unknown root keys, values left open, and root values that cannot be used."""
    roots = [spec.name for spec in fields(RootConfig)]
    if unknown := [str(key) for key in config if key not in roots]:
        raise ValueError(_unknown(unknown[0], roots))
    if missing := sorted(OmegaConf.missing_keys(config)):
        needed = " ".join(f"{key}=..." for key in missing)
        raise ValueError(f"{missing[0]} must be given; missing: {needed}")
    if config.task not in TASK_NAMES:
        raise ValueError(f"task must be one of {', '.join(TASK_NAMES)}; got {config.task!r}")
    parse_shard(config.shard)
    require_limit(config.limit)
    of_file = config.task in ("scan", "repair")
    if of_file and str(OmegaConf.select(config, "dataset._target_")) == _FILE_DATASET:
        _check_typed_names(config.dataset)


def _check_typed_names(dataset: DictConfig) -> None:
    """Refuses a stranger's files and architecture that do not exist, before torch is imported."""
    check_model(str(dataset.model), "dataset.model")
    check_images(str(dataset.images), "dataset.images")
    if dataset.architecture is not None:
        check_architecture_name(str(dataset.architecture), "dataset.architecture")


def _cells(overrides: Sequence[str]) -> list[list[str]]:
    """Cells of a sweep in which each value occurs."""
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ValueError(explained(error, overrides)) from error
    cells = [[str(word.input_line) for word in parsed]]
    for place, word in enumerate(parsed):
        if not word.is_discrete_sweep():
            continue
        key = word.get_key_element()
        values = list(word.sweep_string_iterator())
        if twice := next((value for value in values if values.count(value) > 1), None):
            raise ValueError(f"{key} is swept over {twice} twice; give each value once")
        for cell in cells:
            cell[place] = f"{key}={values[0]}"
        cells += [[*cells[0][:place], f"{key}={v}", *cells[0][place + 1 :]] for v in values[1:]]
    return cells


def _check_launcher(first: Composition, words: CommandWords) -> None:
    """Refuses a launcher that is not installed, has no cluster, or has nothing to launch."""
    chosen = next((word for word in words.overrides if word.startswith("hydra/launcher=")), "")
    if not chosen:
        return
    package = next((name for name in _EXTRAS if name in first.launcher), "")
    if package:
        _require_installed(package, chosen)
    if first.launcher.endswith("SlurmLauncher") and which("srun") is None:
        raise ValueError(
            f"{chosen} needs a cluster's login node: there is no srun here; "
            "hydra/launcher=local runs cells in several processes of this machine"
        )
    if not (words.is_sweep or first.begins_sweep):
        raise ValueError(f"{chosen} does nothing without -m, which begins a sweep")


def _require_installed(package: str, chosen: str) -> None:
    if not _is_installed(f"hydra_plugins.{package}"):
        raise ValueError(
            f"{chosen} needs {package.replace('_', '-')}, which is not installed; "
            f"pip install 'exray[{_EXTRAS[package]}]'"
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor its parent
        return False


def explained(error: Exception, overrides: Sequence[str]) -> str:
    """What Hydra or OmegaConf refused, in one line.

    Args:
        error: Its exception.
        overrides: The settings.
    """
    cause = error.__cause__
    typed = next((word for word in overrides if f"override {word}" in str(error)), "")
    key, _, value = typed.partition("=")
    if isinstance(error, MissingConfigException):
        group, _, option = str(error.missing_cfg_file or "").rpartition("/")
        return f"{group} has no option {option!r}; it has: {', '.join(error.options or ())}"
    if isinstance(error, InterpolationToMissingValueError):
        return f"{one_line(error).rpartition(': ')[2]} must be given"
    if any(sign in str(error) for sign in _GRAMMAR):
        word = next((word for word in overrides if _is_unreadable(word)), "")
        key, equals, value = word.partition("=")
        if equals:
            plain = not set(value) & set("'\"\\$")
            hint = f"'{key}=\"{value}\"'" if plain else shlex.quote(f"{key}={quoted(value)}")
            return f"{word} holds a sign that Hydra reads, so it needs quotes in quotes: {hint}"
    if "is not a ListConfig" in str(cause):
        return f"{key} must be a list, {key}=[{value}]; got {value}"
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        parent = cause.parent_node if isinstance(cause.parent_node, DictConfig) else {}
        known = [str(name) for name in parent if name not in ("hydra", "_target_")]
        return _unknown(str(cause.full_key), known)
    reason = f": {one_line(cause)}" if isinstance(cause, OmegaConfBaseException) else ""
    return f"{one_line(error)}{reason}"


def _is_unreadable(word: str) -> bool:
    """Whether Hydra's grammar does not take a setting."""
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return True
    return False


def one_line(error: BaseException) -> str:
    """An error's own words, without Hydra's advice and the names of its internals.

    Args:
        error: Any exception.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_NOISE)]
    return "; ".join(telling).replace(":;", ":").replace(".;", ";") or type(error).__name__


def _unknown(key: str, known: Sequence[str]) -> str:
    parent, _, name = key.rpartition(".")
    return (
        f"{parent or 'the configuration'} has no key {name!r}; it has: {', '.join(known) or 'none'}"
    )
