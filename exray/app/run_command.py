"""``python run.py`` and ``exray run``: composes the configuration and runs its task or sweep."""

import os
import platform
import sys
from collections.abc import Sequence
from itertools import chain

import hydra
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from exray.app.composition import (
    CommandWords,
    Composition,
    composed,
    explained,
    first_composition,
    one_line,
)
from exray.app.config import register, settle_fast_values
from exray.app.quiet_libraries import quiet_libraries
from exray.app.task_result import TaskResult
from exray.app.tasks import task_named
from exray.presets import conf_folder

MISTAKE, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits.

    Exit status 0 when every model got a verdict, 1 when some failed, 2 for a mistake in the
    configuration, 130 when interrupted.

    Args:
        arguments: Words after the program's name; the process's own where None.
    """
    register()
    _quiet_launchers()
    output = CommandOutput()
    overrides: list[str] = []
    try:
        words = CommandWords(sys.argv[1:] if arguments is None else arguments)
        overrides = words.overrides
        if words.runs:
            with initialize_config_dir(str(conf_folder()), version_base="1.3", job_name="exray"):
                _run(words, output)
        else:
            _show(words)
    except ValueError as error:
        stop(str(error), MISTAKE)
    except HydraException as error:
        stop(explained(error, overrides), MISTAKE)
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning turns an interrupt during a fit into sys.exit(1).
        if KeyboardInterrupt not in (type(error), type(error.__context__)):
            raise
        stop("interrupted; finished models are stored, the same command continues", INTERRUPTED)
    finally:
        output.print_mistakes()
    if output.status:
        sys.exit(output.status)


def stop(text: str, status: int) -> None:
    """Prints one line on stderr and exits.

    Args:
        text: The line.
        status: The exit status.
    """
    sys.stderr.write(f"exray: {text}\n")
    sys.exit(status)


def run_task(config: DictConfig, cell: str, words: Sequence[str]) -> TaskResult:
    """Runs the configured task; a mistake in the configuration is one line and its own status.

    Args:
        config: The composed configuration.
        cell: Folder of the sweep's cell; empty for a single run.
        words: The command line, which tables and choices name as their origin.
    """
    quiet_libraries()
    try:
        return task_named(config.task, words)(config, cell)
    except (ValueError, OSError, OmegaConfBaseException) as error:
        return TaskResult(lines=(), status=MISTAKE, mistake=one_line(error), cell=cell)


class CommandOutput:
    """Prints what tasks return, and adds up the exit status."""

    def __init__(self) -> None:
        self.status = 0
        self.num_results = 0
        self._cells_of: dict[str, list[str]] = {}  # by mistake

    def show(self, result: TaskResult) -> None:
        """Prints a task's lines; its mistake waits, since several cells may share it.

        Args:
            result: What the task returned.
        """
        self.num_results += 1
        if result.mistake:
            self._cells_of.setdefault(result.mistake, []).append(result.cell)
        sys.stdout.write("".join(f"{line}\n" for line in result.lines))
        sys.stdout.flush()
        self.status = max(self.status, result.status)

    def print_mistakes(self) -> None:
        """Prints each mistake once, with its cells unless all cells have it."""
        for mistake, cells in self._cells_of.items():
            in_some = len(cells) < self.num_results and any(cells)
            place = f"{'; '.join(cells)}: " if in_some else ""
            sys.stderr.write(f"exray: {place}{mistake}\n")
        self._cells_of = {}


class SweepJob:
    """Runs one cell of a sweep, in this process or another: launchers pickle it.

    Args:
        words: The command line.
        output: Where cells of this process are shown as soon as they end.
    """

    def __init__(self, words: CommandWords, output: CommandOutput) -> None:
        self.words = words.arranged
        self.swept = words.swept_keys()
        self.output = output
        self.process = _this_process()

    def __call__(self, config: DictConfig) -> TaskResult | None:
        """Runs the cell that Hydra has composed."""
        if config.task == "tabulate" and HydraConfig.get().job.num > 0:
            return None  # one table of all cells
        settle_fast_values(config, HydraConfig.get().overrides.task)
        result = run_task(config, self._cell(), self.words)
        if self.process == _this_process():
            self.output.show(result)
        return result

    def _cell(self) -> str:
        """The cell's folder: what is swept, but for keys that change no result."""
        settings = HydraConfig.get()
        swept = {*self.swept, *(settings.sweeper.params or {})}
        swept -= set(settings.job.config.override_dirname.exclude_keys)
        settled = [word for word in settings.overrides.task if word.partition("=")[0] in swept]
        return ",".join(settled).replace("/", "_")


def _run(words: CommandWords, output: CommandOutput) -> None:
    """Runs the task, or the cells of a sweep and then the experiment's table."""
    first = first_composition(words)
    if not (words.is_sweep or first.begins_sweep):
        configure_log(first.logging)
        output.show(run_task(first.config, "", words.arranged))
        return
    job = SweepJob(words, output)
    engine = GlobalHydra.instance().hydra
    assert engine is not None
    returned = engine.multirun("config", task_function=job, overrides=words.overrides)
    # A sweeper that searches returns nothing.
    results = [job.return_value for job in chain.from_iterable(returned or ())]
    for result in results if output.num_results == 0 else ():  # other processes ran them
        if result is not None:
            output.show(result)
    if output.status != MISTAKE and _has_table(words, first):
        first.config.task = "tabulate"
        output.show(run_task(first.config, "", words.arranged))


def _has_table(words: CommandWords, first: Composition) -> bool:
    """Whether a finished sweep is an experiment's scans or repairs, of which a table is made."""
    of_experiment = any(word.startswith("experiment=") for word in words.overrides)
    return (
        of_experiment and first.config.table is not None and first.config.task in ("scan", "repair")
    )


def _show(words: CommandWords) -> None:
    """Shows help, the configuration or completions, as Hydra does."""
    if words.shows_config:
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            composed(words.overrides, whole=False)
    sys.argv = [sys.argv[0], *words.arranged]
    hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(_no_job)()


def _no_job(config: DictConfig) -> None:
    del config


def _this_process() -> str:
    return f"{platform.node()}:{os.getpid()}"


def _quiet_launchers() -> None:
    """Set before a launcher's package is imported, which reads it then.

    Submitit would log to stdout, which belongs to the lines; Ray would send usage statistics.
    """
    os.environ.setdefault("SUBMITIT_LOG_LEVEL", "NOCONFIG")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
