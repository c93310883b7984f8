"""The task that sets the judges of a sweep side by side. Imports no torch."""

import pandas as pd
from omegaconf import DictConfig

from exray.app.run_folders import cells, results_folder
from exray.app.run_logging import COMPARISON, built_logger
from exray.app.task_result import TaskResult
from exray.evaluation.metrics import statistics_of_all
from exray.evaluation.predictions import scanner_alone, with_judge
from exray.reports.markdown import judges_markdown
from exray.results.collection import Collection, collect
from exray.results.store import ResultStore
from exray.storage.atomic_files import replace_file

REFERENCE = "exray"  # the judge that others are set against, if it is among them


def compare(config: DictConfig, cell: str = "") -> TaskResult:
    """Writes ``table.md``: every judge of a sweep on the same models, tested in pairs.

    A logger other than ``csv`` gets the scanner alone and every judge as a run of its own.

    The cells of ``-m judge=none,l2,exray name=NAME`` lie below ``NAME``; every cell is a row
    named after its judge. The others are tested against the judge ``exray``, else the first.

    Args:
        config: The composed configuration; ``name`` says which sweep.
        cell: Folder within the sweep; empty for all of it.

    Raises:
        ValueError: If there is no cell with records of known ground truth.
    """
    name = config.name or config.dataset.name
    root = results_folder(config, name, cell)
    collections = {path.name: collect(ResultStore(path)) for path in cells(root)}
    frames = by_judge({key: runs.frame for key, runs in collections.items() if _has_truth(runs)})
    if not frames:
        there = "a single run, and no sweep" if ResultStore(root).model_ids() else "no sweep"
        raise ValueError(
            f"{root} holds {there} with known ground truth; run -m judge=A,B name=NAME first, "
            "with a name of its own"
        )
    reference = REFERENCE if REFERENCE in frames else next(iter(frames))
    notes = [f"{key}: {runs.caption}" for key, runs in collections.items()]
    text = "\n".join([judges_markdown(frames, reference), *notes, ""])
    replace_file(root / "table.md", text.encode())
    lines = [_line(key, frame) for key, frame in frames.items()]
    is_complete = not any(runs.failed for runs in collections.values())
    if config.logger.needs_run:
        ways = [scanner_alone(frames[reference]), *(with_judge(frame) for frame in frames.values())]
        figures = dict(zip(["scanner", *frames], statistics_of_all(ways), strict=True))
        logger = built_logger(config, root, name, cell, job_type=COMPARISON)
        logger.finish_comparison(figures, is_complete=is_complete)
    return TaskResult(lines=tuple(lines), status=int(not is_complete))


def _has_truth(collection: Collection) -> bool:
    return bool(collection.frame["is_trojaned"].notna().any())


def by_judge(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The frames by their judges' names, or by their cells' where judges repeat.

    Args:
        frames: By the cells' names.
    """
    judges = {key: str(frame["judge"].iloc[0]) for key, frame in frames.items()}
    repeated = len(set(judges.values())) < len(judges)
    return {key if repeated else judges[key]: frame for key, frame in frames.items()}


def _line(name: str, frame: pd.DataFrame) -> str:
    """One machine-readable line per judge: name, TP, FP, TN, FN, accuracy."""
    counts = with_judge(frame).counts
    fields = (counts.tp, counts.fp, counts.tn, counts.fn)
    return "\t".join([name, *map(str, fields), f"{counts.accuracy:.4f}"])
