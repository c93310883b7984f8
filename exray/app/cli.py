"""The command line: composes the configuration, runs a task, sets the exit status."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from exray.app.config import register
from exray.app.finished import Finished
from exray.app.mistakes import CONF, first_mistake, one_line, sweeps_in

MISTAKE, INTERRUPTED = 2, 130
_WITHOUT_RUN = ("--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--info", "-i")


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
        mistake = first_mistake(words)
        if mistake:
            _stop(mistake, MISTAKE)
    sys.argv = [sys.argv[0], *words]
    statuses = [0]  # one of each cell; Hydra itself keeps none, and prints tracebacks

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    def job(config: DictConfig) -> None:
        """One job: a single run, or a cell of a sweep."""
        in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
        if in_sweep and config.task == "tabulate" and HydraConfig.get().job.num > 0:
            return  # one table of all cells
        statuses.append(_run(config, _cell(words) if in_sweep else "", words))

    try:
        job()
        statuses.append(_table_of(words))
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning turns an interrupt during a fit into sys.exit(1).
        if KeyboardInterrupt not in (type(error), type(error.__context__)):
            raise
        _stop("interrupted; what is finished is kept, the same command goes on", INTERRUPTED)
    if max(statuses):
        sys.exit(max(statuses))


def _table_of(words: Sequence[str]) -> int:
    """Makes the table of an experiment whose sweep is done; nothing for other commands."""
    of_experiment = any(word.startswith("experiment=") for word in words)
    if not of_experiment or any(word.split("=")[0] in _WITHOUT_RUN for word in words):
        return 0
    swept = sweeps_in(words)
    fixed = [word for word in words if word not in swept and not word.startswith("-")]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=[*fixed, "hydra.mode=RUN"])
    if config.table is None or config.task != "scan":
        return 0
    config.task = "tabulate"
    return _run(config, "", words)


def _cell(words: Sequence[str]) -> str:
    """Folder of a sweep's cell: what is swept, but for keys that change no result."""
    settings = HydraConfig.get()
    swept = {word.partition("=")[0] for word in sweeps_in(words)}
    swept |= set(settings.sweeper.params or {})
    swept -= set(settings.job.config.override_dirname.exclude_keys)
    told = [word for word in settings.overrides.task if word.partition("=")[0] in swept]
    return ",".join(told).replace("/", "_")


def _run(config: DictConfig, cell: str, words: Sequence[str]) -> int:
    """Runs the task; a mistake in the configuration is one line and its own status."""
    _be_quiet()
    try:
        finished = _task(config.task, words)(config, cell)
    except (ValueError, OSError, OmegaConfBaseException) as error:
        sys.stderr.write(f"exray: {one_line(error)}\n")
        return MISTAKE
    sys.stdout.write("".join(f"{line}\n" for line in finished.lines))
    sys.stdout.flush()
    return finished.status


def _task(name: str, words: Sequence[str]) -> Callable[[DictConfig, str], Finished]:
    """The task of that name.

    Torch takes seconds to import: composing, --help, mistakes and what works on stored records
    must not pay for it.
    """
    if name in ("rejudge", "compare"):
        from exray.app.compare import compare
        from exray.app.rejudge import rejudge

        return {"rejudge": rejudge, "compare": compare}[name]
    if name == "tabulate":
        from exray.app.tabulate import tabulate

        return partial(tabulate, words=words)
    from exray.app.tasks import TASKS

    if name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}; got {name!r}")
    return TASKS[name]


def _stop(text: str, status: int) -> None:
    sys.stderr.write(f"exray: {text}\n")
    sys.exit(status)


def _be_quiet() -> None:
    """Silences libraries' advice that no user of exray can act on."""
    os.environ.setdefault("WANDB_SILENT", "true")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
