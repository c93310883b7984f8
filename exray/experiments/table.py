"""What a table or figure of the paper is made of: rows for each column, from stored records."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from exray.evaluation.rejudging.base import Rejudgement
from exray.experiments.cells import Column, ExperimentCell
from exray.experiments.published import ReportedTable
from exray.experiments.rows import (
    alone,
    as_run,
    forested,
    frozen,
    is_applicable,
    rows_of,
    separated,
)
from exray.rules.base import DecisionRule

KEPT = (
    "column",
    "row",
    "setting",
    "model_id",
    "judge",
    "scanner",
    "layer",
    "is_trojaned",
    "verdict",
    "probability",
    "scanner_flags",
    "num_triggers",
    "num_injected",
    "trigger_kind",
    "trigger_reach",
    "trigger_size",
    "architecture",
    "num_classes",
    "status",
    "error_line",
    "seconds",
    "inversion_seconds",
    "judgement_seconds",
)


@dataclass(frozen=True, kw_only=True)
class DerivedCell:
    """A cell that another cell's stored measurements make, without a judge that runs again.

    Args:
        name: What tables call it.
        cell: Name of the cell whose measurements are decided on.
        rule: What decides.
    """

    name: str
    cell: str
    rule: DecisionRule


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """What every experiment says of itself.

    Args:
        title: The table's or figure's name and what it is about.
        run: Folder of the records under the results; null for the experiment's own name.
        tuning: Folder of the run whose models choose the thresholds that are frozen; null for none.
        cells: Cells that take part, as their folders are called; empty for all.
        derived: Further cells, made of the measurements of these.
        columns: Which models are set against the clean ones.
        shown: Names of the columns that are written.
        reference: Row that the others are tested against; empty for no tests.
        reported: Where the paper's numbers lie; null where it prints none.
        axis: Word before the number that a figure's axis shows; empty for bars.
        claims: Whether the paper's claims are checked.
        apart: Rows whose figures are also given by architecture, trigger and number of classes.
        curves: Rows whose ROC and calibration curves are drawn.
        failures: Cells whose wrong models are drawn, by the images of the deciding triggers.
        differs: How this differs from the paper's, a sentence each.

    Raises:
        ValueError: If a column is to be shown that is not there.
    """

    title: str
    run: str | None
    tuning: str | None
    cells: Sequence[str]
    derived: Sequence[DerivedCell]
    columns: Sequence[Column]
    shown: Sequence[str]
    reference: str
    reported: ReportedTable | None
    axis: str
    claims: bool
    apart: Sequence[str]
    curves: Sequence[str]
    failures: Sequence[str]
    differs: Sequence[str]

    def __post_init__(self) -> None:
        known = [column.name for column in self.columns]
        for name in self.shown:
            if name not in known:
                raise ValueError(f"shown must name columns of {', '.join(known)}; got {name!r}")


class ExperimentTable(ABC):
    """Rows for each column; how a row comes about is left open.

    Args:
        about: What every experiment says of itself.
    """

    def __init__(self, *, about: TableSettings) -> None:
        self.about = about

    def columns(self) -> list[Column]:
        """The columns that are written."""
        return [column for column in self.about.columns if column.name in self.about.shown]

    def frame(
        self, cells: Sequence[ExperimentCell], tuning: Mapping[str, ExperimentCell]
    ) -> tuple[pd.DataFrame, list[str]]:
        """A row per model, per row of the table, per column.

        Args:
            cells: The stored records.
            tuning: Those of the tuning run, by name of the cell.

        Returns:
            The rows, with the columns `KEPT`, and notes on how the verdicts came about.

        Raises:
            ValueError: If nothing can be counted.
        """
        frames: list[pd.DataFrame] = []
        notes: list[str] = []
        judged = self.with_derived(cells)
        others = {cell.name: cell for cell in self.with_derived(list(tuning.values()))}
        for column in self.columns():
            for cell in judged:
                part = cell.restricted(column)
                trojaned = part.records["is_trojaned"].dropna().astype(bool)
                if not trojaned.any() or trojaned.all():
                    continue
                new_frames, new_notes = self._rows(part, column, others)
                frames += [rows.assign(column=column.name) for rows in new_frames]
                notes += [f"{column.title}: {note}" for note in new_notes]
        if not frames:
            raise ValueError("no column has both trojaned and clean models of known ground truth")
        return pd.concat(frames, ignore_index=True)[list(KEPT)], notes

    def with_derived(self, cells: Sequence[ExperimentCell]) -> list[ExperimentCell]:
        """The cells, and those that their measurements make, unless they were run themselves.

        Args:
            cells: The stored records.
        """
        run = {cell.name for cell in cells}
        new = [
            cell.redecided(derived.rule, derived.name)
            for derived in self.about.derived
            for cell in cells
            if cell.name == derived.cell and derived.name not in run
        ]
        return [*cells, *new]

    @abstractmethod
    def _rows(
        self, cell: ExperimentCell, column: Column, tuning: Mapping[str, ExperimentCell]
    ) -> tuple[list[pd.DataFrame], list[str]]:
        """The rows of one cell in one column, and notes on them."""


class CellTable(ExperimentTable):
    """A row for each cell of a sweep, and more for judges whose threshold the paper leaves open.

    Args:
        about: What every experiment says of itself.
        separated: Judges that get their best separation and a frozen threshold; the reference and
            derived cells keep their own verdicts beside these.
        forests: Judges whose measurements a random forest judges.
        trees: Of those forests.
        alone: Whether the scanner of each cell has a row of its own.
        seed: Of halves and forests.
    """

    def __init__(
        self,
        *,
        about: TableSettings,
        separated: Sequence[str],
        forests: Sequence[str],
        trees: int,
        alone: bool,
        seed: int,
    ) -> None:
        super().__init__(about=about)
        self.separated = separated
        self.forests = forests
        self.trees = trees
        self.alone = alone
        self.seed = seed

    def _rows(
        self, cell: ExperimentCell, column: Column, tuning: Mapping[str, ExperimentCell]
    ) -> tuple[list[pd.DataFrame], list[str]]:
        if not is_applicable(cell):
            return [], [f"{cell.name} is not applicable to any of these triggers"]
        first = [alone(cell)] if self.alone else []
        if cell.name in self.forests:
            return [*first, forested(cell, trees=self.trees, seed=self.seed)], []
        if cell.name not in self.separated:
            return [*first, as_run(cell)], []
        best, best_note = separated(cell)
        fixed, fixed_note = frozen(cell, column, tuning, seed=self.seed)
        decides = {self.about.reference, *(derived.name for derived in self.about.derived)}
        own = [as_run(cell)] if cell.name in decides else []
        return [*first, *own, best, fixed], [best_note, fixed_note]


class StoredTable(ExperimentTable):
    """A row for each other way to decide from one cell's stored measurements.

    Args:
        about: What every experiment says of itself.
        rejudgement: The other ways; the axis's word and number stand in their names.
    """

    def __init__(self, *, about: TableSettings, rejudgement: Rejudgement) -> None:
        super().__init__(about=about)
        self.rejudgement = rejudgement

    def _rows(
        self, cell: ExperimentCell, column: Column, tuning: Mapping[str, ExperimentCell]
    ) -> tuple[list[pd.DataFrame], list[str]]:
        del column, tuning
        ways = self.rejudgement.predictions(cell.records, cell.triggers)
        frames = [rows_of(predictions, cell, predictions.name) for predictions in ways]
        settings = [number_after(self.about.axis, predictions.name) for predictions in ways]
        return [
            frame.assign(setting=setting) for frame, setting in zip(frames, settings, strict=True)
        ], []


def label_of(folder: str) -> str:
    """What tables call a cell: the values of its overrides, with a key where they are numbers.

    Args:
        folder: The cell's folder.

    Example:
        >>> label_of("scanner=abs,judge=none"), label_of("judge.engine.alpha=0.8")
        ('abs, none', 'alpha 0.8')
    """
    words = []
    for override in folder.split(","):
        key, _, value = override.rpartition("=")
        numeric = re.fullmatch(r"[\d.]+", value)
        words.append(f"{key.rpartition('.')[2]} {value}" if numeric else value)
    return ", ".join(words)


def number_after(word: str, name: str) -> float:
    """The number that stands after a word; nan without one.

    Args:
        word: Such as ``beta``.
        name: A row's name.

    Example:
        >>> number_after("beta", "beta 0.7, gamma 0.8"), number_after("alpha", "beta 0.7")
        (0.7, nan)
    """
    match = re.search(rf"\b{re.escape(word)} ([\d.]+)", name) if word else None
    return float(match.group(1)) if match else math.nan
