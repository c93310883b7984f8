"""The command line: composes the configuration, runs a task, sets the exit status."""

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from exray.app.config import register

CONF = Path(__file__).resolve().parents[2] / "conf"
MISTAKE, INTERRUPTED = 2, 130
_WITHOUT_RUN = ("--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--info", "-i")


class JobFailedError(RuntimeError):
    """A cell of a sweep in which some model failed; the other cells go on."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits.

    Exit status 0 when every model got a verdict, 1 when some failed, 2 for a mistake in the
    configuration, 130 when interrupted.

    Args:
        arguments: Words after the program's name; the process's own where None.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    register()
    if not any(word.split("=")[0] in _WITHOUT_RUN for word in words):
        _check(words)
    sys.argv = [sys.argv[0], *words]
    try:
        _hydra_main()
    except KeyboardInterrupt:
        _stop("interrupted; what is finished is kept, the same command goes on", INTERRUPTED)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def _hydra_main(config: DictConfig) -> None:
    """One job: a single run, or a cell of a sweep."""
    settings = HydraConfig.get()
    in_sweep = settings.mode == RunMode.MULTIRUN
    status = _run(config, settings.job.override_dirname if in_sweep else "")
    if in_sweep and status:
        raise JobFailedError(f"status {status}; the records and the messages above say why")
    if status:
        sys.exit(status)


def _run(config: DictConfig, cell: str) -> int:
    """Runs the task; a mistake in the configuration is one line and its own status."""
    # Torch takes seconds to import: composing, --help and mistakes above must not pay for it.
    from exray.app.tasks import TASKS

    _be_quiet()
    try:
        if config.task not in TASKS:
            raise ValueError(f"task must be one of {', '.join(TASKS)}; got {config.task!r}")
        finished = TASKS[config.task](config, cell)
    except (ValueError, OmegaConfBaseException) as error:
        sys.stderr.write(f"exray: {_one_line(error)}\n")
        return MISTAKE
    sys.stdout.write("".join(f"{line}\n" for line in finished.lines))
    sys.stdout.flush()
    return finished.status


def _check(words: Sequence[str]) -> None:
    """Composes once beforehand, so that a mistake is one line and status 2.

    Sweeps are composed cell by cell by Hydra; of those only plain overrides are checked.
    """
    is_sweep = any(word in ("-m", "--multirun") for word in words)
    overrides = [word for word in words if not word.startswith("-")]
    if is_sweep:
        overrides = [word for word in overrides if "," not in word and "(" not in word]
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("config", overrides=overrides)
            missing = sorted(OmegaConf.missing_keys(config))
    except (HydraException, OmegaConfBaseException) as error:
        _stop(_one_line(error), MISTAKE)
    if missing and not is_sweep:
        given = " ".join(f"{key}=..." for key in missing)
        _stop(f"{missing[0]} must be given; missing: {given}", MISTAKE)


def _one_line(error: BaseException) -> str:
    """An error's own words without Hydra's advice on environment variables."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key", "object_type"))]
    return "; ".join(kept).replace(":;", ":") or type(error).__name__


def _stop(text: str, status: int) -> None:
    sys.stderr.write(f"exray: {text}\n")
    sys.exit(status)


def _be_quiet() -> None:
    """Silences libraries' advice that no user of exray can act on."""
    os.environ.setdefault("WANDB_SILENT", "true")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
