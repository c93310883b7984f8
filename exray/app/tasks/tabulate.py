"""The task that makes a table or figure of the paper from stored records. Imports no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from exray.app.instantiate import built
from exray.app.run_folders import results_folder
from exray.app.task_result import TaskResult
from exray.app.tasks.choice_files import refuse_reserved
from exray.evaluation.predictions import with_judge
from exray.evaluation.roc import roc_curve
from exray.experiments.cells import ExperimentCell
from exray.experiments.figures import bars_png, curves_png, probabilities_png
from exray.experiments.markdown import experiment_markdown, row_answers
from exray.experiments.misjudged_figure import failing_drawings
from exray.experiments.provenance import commands, costs, facts, scanning_seconds, zoo
from exray.experiments.published import ReportedRow
from exray.experiments.readme import Provenance, readme_markdown, slips
from exray.experiments.table import ExperimentTable, label_of, number_after
from exray.results.collection import Collection, collect
from exray.results.store import ResultStore
from exray.storage.atomic_files import replace_file

_NO_TRIGGERS = "scan.probability_without_triggers"


def tabulate(config: DictConfig, cell: str = "", words: Sequence[str] = ()) -> TaskResult:
    """Writes ``experiments/NAME/``: README.md, records.csv, table.md and drawings.

    Args:
        config: The composed configuration; ``table`` says which experiment.
        cell: Unused; a table is made of all cells.
        words: The command line, for the README.

    Raises:
        ValueError: If there is no table to make, or no records of known ground truth.
    """
    del cell
    if config.table is None:
        raise ValueError("there is no table to make; choose one, as in experiment=table_1")
    table = built(config.table, ExperimentTable)
    root = results_folder(config, table.about.run or str(config.name), "")
    found = _collections(root, table.about.cells)
    if not found:
        raise ValueError(f"{root} holds no records of this table's cells; scan first")
    cells = {name: _cell(root, name, each, table.about.axis) for name, each in found.items()}
    made = ResultStore(root / next(iter(found))).config()
    tuning, chosen_on = _tuning(config, table, made, found)
    frame, notes = table.frame(list(cells.values()), tuning)
    reported = _reported(config, table)
    folder = Path(config.paths.experiments) / str(config.name)
    folder.mkdir(parents=True, exist_ok=True)
    content = frame.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    replace_file(folder / "records.csv", content.encode())
    frame = read_rows(folder / "records.csv")
    replace_file(folder / "table.md", experiment_markdown(table, frame, reported).encode())
    failing, told = failing_drawings(table, cells, root)
    drawings = _drawings(table, frame, reported) | failing
    for name, drawing in drawings.items():
        replace_file(folder / name, drawing)
    making = Provenance(
        title=table.about.title,
        commands=commands(config.name, words),
        facts={**facts(found, made), **chosen_on},
        differs=[*table.about.differs, *slips(reported)],
        costs=costs(cells),
        scanning=scanning_seconds(found.values()),
        notes=[*(f"{name}: {each.caption}" for name, each in cells.items()), *notes, *told],
        figures=list(drawings),
    )
    page = folder / "README.md"
    old = page.read_text(encoding="utf-8") if page.is_file() else ""
    replace_file(page, readme_markdown(making, old).encode())
    failed = any(each.failed for each in found.values())
    return TaskResult(lines=_lines(frame), status=int(failed))


def read_rows(path: Path) -> pd.DataFrame:
    """The rows of an experiment's ``records.csv``.

    Args:
        path: The file.
    """
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    return frame.astype({"is_trojaned": "boolean", "scanner_flags": "boolean"})


def _collections(root: Path, wanted: Sequence[str]) -> dict[str, Collection]:
    """The cells' records by folder; a run that is no sweep is one cell without a name."""
    if not root.is_dir():
        return {}
    names = sorted(path.name for path in root.iterdir() if path.is_dir() and "=" in path.name)
    kept = [name for name in names if not wanted or name in wanted]
    found = {name: collect(ResultStore(root / name)) for name in kept}
    if not found and ResultStore(root).model_ids():
        found = {"": collect(ResultStore(root))}
    return {name: each for name, each in found.items() if len(each.frame)}


def _cell(root: Path, name: str, collection: Collection, axis: str) -> ExperimentCell:
    """One cell with what its figures need."""
    frame = collection.frame.copy()
    made = [
        scan.record.seconds.get("kept_inversion", scan.record.seconds.get("inversion"))
        for scan in collection.scans
    ]
    frame["inversion_seconds"] = pd.Series(made, index=frame.index, dtype="float64")
    stored = ResultStore(root / name if name else root).config()
    label = label_of(name) if name else str(frame["judge"].iloc[0])
    return ExperimentCell(
        name=label,
        records=frame,
        triggers=collection.triggers,
        setting=number_after(axis, label),
        probability_without_triggers=float(str(stored.get(_NO_TRIGGERS, 0.0))),
        caption=collection.caption,
    )


def _tuning(
    config: DictConfig,
    table: ExperimentTable,
    made: Mapping[str, object],
    reported: Mapping[str, Collection],
) -> tuple[dict[str, ExperimentCell], dict[str, str]]:
    """The cells of the run whose models choose thresholds, and what its zoo is; empty without one.

    Raises:
        ValueError: If its models are kept for reporting, or are reported on here.
    """
    if table.about.tuning in (None, table.about.run or config.name):
        return {}, {}
    root = results_folder(config, str(table.about.tuning), "")
    found = _collections(root, table.about.cells)
    for name, each in found.items():
        store = ResultStore(root / name)
        refuse_reserved(each, store)
        if made.get("input") and store.config().get("input") == made["input"]:
            _refuse_shared(each, reported, root)
    if not found:
        return {}, {}
    cells = [_cell(root, name, each, table.about.axis) for name, each in found.items()]
    chosen_on = zoo(found, ResultStore(root / next(iter(found))).config())
    return {cell.name: cell for cell in cells}, {"thresholds chosen on": chosen_on}


def _refuse_shared(chosen_on: Collection, reported: Mapping[str, Collection], root: Path) -> None:
    """Refuses thresholds of the very models that the table reports on."""
    ids = {model_id for each in reported.values() for model_id in each.found}
    for model_id in chosen_on.found:
        if model_id in ids:
            raise ValueError(
                f"{root} holds {model_id}, which is reported on here; choose thresholds on other "
                "models, or give table.about.tuning=null"
            )


def _reported(config: DictConfig, table: ExperimentTable) -> list[ReportedRow]:
    if table.about.reported is None:
        return []
    return table.about.reported.read(Path(config.paths.paper))


def _drawings(
    table: ExperimentTable, frame: pd.DataFrame, reported: Sequence[ReportedRow]
) -> dict[str, bytes]:
    """Each column's rates, and curves of its probabilities where there are any, by file name."""
    drawn = {}
    for column in table.columns():
        own = frame[frame["column"] == column.name]
        if not len(own):
            continue
        theirs = [each for each in reported if each.column == column.name]
        answers = row_answers(own, theirs)
        title = f"{table.about.title}\n{column.title}"
        if table.about.axis:
            drawn[f"{column.name}.png"] = curves_png(answers, table.about.axis, title, theirs)
        else:
            drawn[f"{column.name}.png"] = bars_png(answers, title)
        curves = {name: answers[name] for name in table.about.curves if name in answers}
        if any(roc_curve(each) is not None for each in curves.values()):
            drawn[f"{column.name}_probabilities.png"] = probabilities_png(curves, title)
    return drawn


def _lines(frame: pd.DataFrame) -> tuple[str, ...]:
    """One machine-readable line a row and column: column, row, TP, FP, TN, FN, accuracy."""
    lines = []
    for (column, row), own in frame.groupby(["column", "row"], sort=False):
        counts = with_judge(own).counts
        tallies = (counts.tp, counts.fp, counts.tn, counts.fn)
        named = (column, row, *tallies)
        lines.append("\t".join([*map(str, named), f"{counts.accuracy:.4f}"]))
    return tuple(lines)
