"""The task that decides again from stored measurements. Imports no torch."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from omegaconf import DictConfig
from rich.console import Console

from exray.app.instantiate import built
from exray.app.run_folders import require_records, results_folder
from exray.app.run_logging import built_logger
from exray.app.task_result import TaskResult
from exray.app.tasks.choice_files import Run, write_choice
from exray.evaluation.metrics import Statistics, statistics_of_all
from exray.evaluation.predictions import all_clean, scanner_alone
from exray.evaluation.rejudging.base import Rejudgement
from exray.evaluation.rejudging.threshold_choice import Choice
from exray.reports.console import statistics_table
from exray.reports.markdown import statistics_markdown
from exray.results.collection import collect, merged
from exray.results.store import ResultStore
from exray.storage.atomic_files import replace_file

_WIDTH = 120  # columns where stderr is a file or a pipe


def rejudge(config: DictConfig, cell: str = "", *, words: Sequence[str] = ()) -> TaskResult:
    """Prints and writes what other thresholds or a forest make of a run's stored measurements.

    Writes ``rejudged/<name>.md`` into the run's folder, and what is chosen for other runs to
    ``rejudged/<name>.json`` or to the file that it names. The records stay as they are. A logger
    other than ``csv`` gets the figures; of a single new way of deciding as those of ``judge``.

    Args:
        config: The composed configuration; ``rejudge`` says how.
        cell: Folder of the run's cell within a sweep; empty for a single run.
        words: The command line, which what is chosen names as its origin.

    Raises:
        ValueError: If nothing with known ground truth is stored there, or not the measurements
            that are needed.
    """
    name = config.name or config.dataset.name
    store = ResultStore(results_folder(config, name, cell))
    require_records(store.root, name)
    collection = collect(store)
    if not collection.frame["is_trojaned"].notna().any():
        raise ValueError(f"the ground truth of {store.root} is unknown; nothing can be counted")
    rejudgement = built(config.rejudge, Rejudgement)
    folder = store.root / "rejudged"
    if isinstance(rejudgement, Choice):
        runs = {name: Run(collection=collection, store=store)} | _further(config, rejudgement)
        decisions = write_choice(rejudgement, runs, words=words)
        collection = merged({name: run.collection for name, run in runs.items()})
    else:
        decisions = rejudgement.predictions(collection.frame, collection.triggers)
    trivial = all_clean(collection.frame)
    if all(np.isnan(decision.probability).all() for decision in decisions):
        trivial = replace(trivial, probability=np.full(len(trivial), np.nan))  # only rates compared
    predictions = [scanner_alone(collection.frame), *decisions, trivial]
    rows = statistics_of_all(predictions)
    console = Console(stderr=True)
    console = console if console.is_terminal else Console(stderr=True, width=_WIDTH)
    console.print(
        statistics_table(rows, title=f"{rejudgement.name}: {name}", caption=collection.caption)
    )
    folder.mkdir(exist_ok=True)
    text = f"{statistics_markdown(rejudgement.name, rows)}\n{collection.caption}\n"
    replace_file(folder / f"{rejudgement.name}.md", text.encode())
    ways = {"scanner": rows[0]} | {row.name: row for row in rows[1:]}
    if len(decisions) == 1:  # under one name whatever was decided by: what a sweep looks for
        ways = {"scanner": rows[0], "judge": rows[1]}
    logger = built_logger(config, store.root, name, cell, job_type=rejudgement.name)
    logger.finish_comparison(ways, is_complete=not collection.failed)
    return TaskResult(lines=tuple(_line(row) for row in rows), status=0)


def _further(config: DictConfig, choice: Choice) -> dict[str, Run]:
    """The further runs that something is chosen on, by name."""
    runs = {}
    for name in choice.runs:
        store = ResultStore(results_folder(config, name, ""))
        require_records(store.root, name)
        runs[name] = Run(collection=collect(store), store=store)
    return runs


def _line(row: Statistics) -> str:
    """One machine-readable line per way of deciding: name, TP, FP, TN, FN, accuracy."""
    counts = row.counts
    fields = (counts.tp, counts.fp, counts.tn, counts.fn)
    return "\t".join([row.name, *map(str, fields), f"{counts.accuracy:.4f}"])
