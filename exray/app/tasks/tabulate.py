"""The task that makes a table or figure of the paper from stored records. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from exray.app.instantiate import built
from exray.app.run_folders import results_folder
from exray.app.task_result import TaskResult
from exray.experiments.provenance import commands
from exray.experiments.repair_result import write_repair_table
from exray.experiments.repair_tables import RepairTable
from exray.experiments.result import make, write
from exray.experiments.runs import ExperimentRun
from exray.experiments.table import ExperimentTable


def tabulate(config: DictConfig, cell: str = "", words: Sequence[str] = ()) -> TaskResult:
    """Writes ``experiments/NAME/``: README.md, records.csv, table.md and drawings.

    Args:
        config: The composed configuration; ``table`` says which experiment.
        cell: Unused; a table is made of all cells.
        words: The command line, for the README.

    Raises:
        ValueError: If the experiment has no table, or there are no records of known ground truth.
    """
    del cell
    if "runs" in (config.table or {}).get("about", {}):
        return _repairs(config, words)
    table = _table(config)
    about = table.about
    run = _run(config, about.run or str(config.name), about.cells)
    own_records = about.tuning in (None, about.run or config.name)
    tuning = None if own_records else _run(config, str(about.tuning), about.cells)
    reported = about.reported.read(Path(config.paths.paper)) if about.reported else []
    typed = commands(config.name, words)
    result = make(table, run, tuning, reported=reported, commands=typed)
    write(result, Path(config.paths.experiments) / str(config.name))
    return TaskResult(lines=result.lines, status=int(run.has_failures))


def _repairs(config: DictConfig, words: Sequence[str]) -> TaskResult:
    """The table of an experiment on repairs."""
    lines = write_repair_table(
        built(config.table, RepairTable),
        Path(config.paths.results),
        Path(config.paths.experiments) / str(config.name),
        paper=Path(config.paths.paper),
        commands=commands(config.name, words),
    )
    return TaskResult(lines=lines, status=0)


def _table(config: DictConfig) -> ExperimentTable:
    if config.table is None:
        raise ValueError(
            "there is no table to make; choose an experiment that has one, as in "
            f"experiment=table_1, or compare the cells of a sweep: task=compare name={config.name}"
        )
    return built(config.table, ExperimentTable)


def _run(config: DictConfig, name: str, cells: Sequence[str]) -> ExperimentRun:
    return ExperimentRun.read(results_folder(config, name, ""), cells)
