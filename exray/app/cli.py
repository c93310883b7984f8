"""The command line: composes the configuration, runs a task, sets the exit status."""

import logging
import os
import sys
import warnings
from collections.abc import Sequence

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from exray.app.config import register, settle_fast_values
from exray.app.override_checks import CONF, arranged, first_mistake, may_sweep, one_line, sweeps_in
from exray.app.sweeps import Handover, cell_of, handover_for
from exray.app.task_result import TaskResult
from exray.app.tasks import task_named

MISTAKE, INTERRUPTED = 2, 130
_SHOWN = ("--cfg", "-c")  # the configuration alone, which need not be whole
_WITHOUT_RUN = (*_SHOWN, "--help", "-h", "--hydra-help", "--version", "--info", "-i")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits.

    Exit status 0 when every model got a verdict, 1 when some failed, 2 for a mistake in the
    configuration, 130 when interrupted.

    Args:
        arguments: Words after the program's name; the process's own where None.
    """
    words = arranged(sys.argv[1:] if arguments is None else arguments)
    register()
    flags = {word.split("=")[0] for word in words if word.startswith("-")}
    will_run = not flags.intersection(_WITHOUT_RUN)
    checked = will_run or flags.intersection(_SHOWN)
    mistake = first_mistake(words, whole=will_run) if checked else ""
    if mistake:
        _stop(mistake, MISTAKE)
    _launchers_be_quiet()
    sys.argv = [sys.argv[0], *words]
    job = Job(words, handover_for(words) if will_run and may_sweep(words) else None)
    run = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)
    try:
        run()
        job.tell_of_others()
        if job.status != MISTAKE:  # some cells have no records; what to mend is told
            job.tell(_table_of(words))
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning turns an interrupt during a fit into sys.exit(1).
        if KeyboardInterrupt not in (type(error), type(error.__context__)):
            raise
        _stop("interrupted; what is finished is kept, the same command goes on", INTERRUPTED)
    finally:
        job.tell_of_others()
        job.tell_mistakes()
    if job.status:
        sys.exit(job.status)


class Job:
    """A single run, or the cells of a sweep, in this process or others.

    Launchers pickle it. Hydra itself keeps no status, and prints tracebacks.

    Args:
        words: The command line.
        handover: Where jobs of other processes tell how they ended; None where there are none.
    """

    def __init__(self, words: Sequence[str], handover: Handover | None) -> None:
        self.words = tuple(words)
        self.handover = handover
        self.status = 0
        self._num_told = 0
        self._cells_of: dict[str, list[str]] = {}  # by what is told on stderr

    def __call__(self, config: DictConfig) -> None:
        """Runs one cell; another process leaves it to the command line's to tell how it ended."""
        settings = HydraConfig.get()
        in_sweep = settings.mode == RunMode.MULTIRUN
        if in_sweep and config.task == "tabulate" and settings.job.num > 0:
            return  # one table of all cells
        settle_fast_values(config, settings.overrides.task)
        ended = _run(config, cell_of(self.words) if in_sweep else "", self.words)
        if self.handover is not None and self.handover.is_elsewhere():
            self.handover.leave(settings.job.num, ended)
        else:
            self.tell(ended)

    def tell_of_others(self) -> None:
        """Tells how the cells in other processes ended."""
        for ended in self.handover.taken() if self.handover is not None else ():
            self.tell(ended)

    def tell(self, ended: TaskResult) -> None:
        """Prints what a task left, but for its mistake: cells may share that."""
        self._num_told += 1
        if ended.told:
            self._cells_of.setdefault(ended.told, []).append(ended.cell)
        sys.stdout.write("".join(f"{line}\n" for line in ended.lines))
        sys.stdout.flush()
        self.status = max(self.status, ended.status)

    def tell_mistakes(self) -> None:
        """Prints each mistake once, with the cells that it is in unless it is in all."""
        for told, cells in self._cells_of.items():
            in_some = len(cells) < self._num_told and any(cells)
            place = f"{'; '.join(cells)}: " if in_some else ""
            sys.stderr.write(f"exray: {place}{told}\n")
        self._cells_of = {}


def _table_of(words: Sequence[str]) -> TaskResult:
    """Makes the table of an experiment whose sweep is done; nothing for other commands."""
    nothing = TaskResult(lines=(), status=0)
    of_experiment = any(word.startswith("experiment=") for word in words)
    if not of_experiment or any(word.split("=")[0] in _WITHOUT_RUN for word in words):
        return nothing
    swept = sweeps_in(words)
    fixed = [word for word in words if word not in swept and not word.startswith("-")]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=[*fixed, "hydra.mode=RUN"])
    if config.table is None or config.task != "scan":
        return nothing
    config.task = "tabulate"
    return _run(config, "", words)


def _run(config: DictConfig, cell: str, words: Sequence[str]) -> TaskResult:
    """Runs the task; a mistake in the configuration is one line and its own status."""
    _be_quiet()
    try:
        return task_named(config.task, words)(config, cell)
    except (ValueError, OSError, OmegaConfBaseException) as error:
        return TaskResult(lines=(), status=MISTAKE, told=one_line(error), cell=cell)


def _stop(text: str, status: int) -> None:
    sys.stderr.write(f"exray: {text}\n")
    sys.exit(status)


def _launchers_be_quiet() -> None:
    """Said before a launcher's package is imported, which reads it then.

    Submitit would log to stdout, which belongs to the lines; Ray would send usage statistics.
    """
    os.environ.setdefault("SUBMITIT_LOG_LEVEL", "NOCONFIG")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def _be_quiet() -> None:
    """Silences libraries' advice that no user of exray can act on."""
    os.environ.setdefault("WANDB_SILENT", "true")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message="The .srun. command is available")  # a login node
    warnings.filterwarnings("ignore", message="The .srun. command is available")
