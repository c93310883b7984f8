"""A table of the paper from stored records: its rows, its page and its drawings."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from exray.evaluation.predictions import with_judge
from exray.experiments.figures import column_figures
from exray.experiments.markdown import experiment_markdown
from exray.experiments.misjudged_figure import misjudged_figures
from exray.experiments.provenance import Provenance, costs, facts, scanning_seconds, zoo
from exray.experiments.published import ReportedRow, errata
from exray.experiments.readme import readme_markdown
from exray.experiments.runs import ExperimentRun
from exray.experiments.table import ExperimentTable
from exray.storage.atomic_files import replace_file


@dataclass(frozen=True, kw_only=True, eq=False)
class TableResult:
    """A table with what is written of it.

    Args:
        rows: A row per model, row of the table and column, with the digits of ``records.csv``.
        provenance: How the rows came about, for the page.
        files: Contents of ``records.csv``, ``table.md`` and the drawings, by name.
    """

    rows: pd.DataFrame
    provenance: Provenance
    files: Mapping[str, bytes]

    @property
    def lines(self) -> tuple[str, ...]:
        """A machine-readable line per column and row: column, row, TP, FP, TN, FN, accuracy."""
        lines = []
        for (column, row), records in self.rows.groupby(["column", "row"], sort=False):
            counts = with_judge(records).counts
            tallies = (counts.tp, counts.fp, counts.tn, counts.fn)
            fields = (column, row, *tallies, f"{counts.accuracy:.4f}")
            lines.append("\t".join(map(str, fields)))
        return tuple(lines)


def make(
    table: ExperimentTable,
    run: ExperimentRun,
    tuning: ExperimentRun | None = None,
    *,
    reported: Sequence[ReportedRow] = (),
    commands: Sequence[str] = (),
) -> TableResult:
    """A table of the paper from the records of a run.

    Args:
        table: Which rows and columns.
        run: The records that are reported on.
        tuning: Records that choose the frozen thresholds; None for none.
        reported: The paper's numbers.
        commands: What was typed, for the page.

    Raises:
        ValueError: If there are no records of known ground truth, or thresholds would be chosen on
            reported models.
    """
    if not run.collections:
        raise ValueError(f"{run.root} holds no records of this table's cells; scan first")
    if tuning is not None:
        tuning.refuse_for_tuning(run)
    cells = run.cells(table.about.axis)
    tuning_cells = [] if tuning is None else tuning.cells(table.about.axis)
    frame, notes = table.frame(cells, {cell.name: cell for cell in tuning_cells})
    content = frame.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    rows = read_rows(io.StringIO(content))
    misjudged, captions = misjudged_figures(table, cells)
    figures = column_figures(table, rows, reported) | misjudged
    chosen_on = {"thresholds chosen on": zoo(tuning)} if tuning and tuning_cells else {}
    provenance = Provenance(
        title=table.about.title,
        commands=commands,
        facts=facts(run) | chosen_on,
        differs=[*table.about.differs, *errata(reported)],
        costs=costs(cells),
        scanning=scanning_seconds(run.collections.values()),
        notes=[*(f"{cell.folder.name}: {cell.caption}" for cell in cells), *notes, *captions],
        figures=list(figures),
    )
    text = {"records.csv": content, "table.md": experiment_markdown(table, rows, reported)}
    files = {name: words.encode() for name, words in text.items()} | figures
    return TableResult(rows=rows, provenance=provenance, files=files)


def write(result: TableResult, folder: Path) -> None:
    """Writes records, table, drawings and page; what a person wrote on the page stays.

    Args:
        result: The table.
        folder: Where the files go; made if absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in result.files.items():
        replace_file(folder / name, content)
    page = folder / "README.md"
    old = page.read_text(encoding="utf-8") if page.is_file() else ""
    replace_file(page, readme_markdown(result.provenance, old).encode())


def read_rows(file: Path | io.StringIO) -> pd.DataFrame:
    """The rows of an experiment's ``records.csv``.

    Args:
        file: The file, or its text as a stream.
    """
    frame = pd.read_csv(file, keep_default_na=False, na_values=[""])
    return frame.astype({"is_trojaned": "boolean", "scanner_flags": "boolean"})
