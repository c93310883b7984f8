"""The paper's own numbers, and whether its accuracies follow from its counts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from exray.evaluation.confusion import Counts

_PRINTED = "accuracy_printed"
_FIGURES = {"ce_loss": "cross-entropy", "roc_auc": "ROC-AUC", "accuracy": "accuracy"}
_TOTALS = ("num_trojaned", "num_trojaned_printed")  # Table 3's is a slip, kept under its own name


@dataclass(frozen=True, kw_only=True)
class ReportedRow:
    """One cell of a table of the paper.

    Args:
        row: The method or the setting, as our tables call it.
        column: Trigger kind: ``polygon``, ``filter``, ``patch`` or ``all``.
        dataset: TrojAI round or ``imagenet``.
        figures: What is printed, by the names of `METRICS`; the accuracy recomputed from the
            counts, where there are counts.
        counts: The four counts; None where the paper prints none.
        printed: Accuracy as printed; empty where none is.
    """

    row: str
    column: str
    dataset: str
    figures: Mapping[str, float]
    counts: Counts | None = None
    printed: str = ""

    @property
    def follows(self) -> bool:
        """Whether the printed accuracy follows from the printed counts; True without both."""
        if self.counts is None or not self.printed:
            return True
        return follows(self.printed, self.counts.accuracy)


@dataclass(frozen=True, kw_only=True)
class ReportedTable:
    """Where a table of the paper lies, and what its rows are in ours.

    Args:
        file: Name of the CSV file in the folder of the paper's numbers.
        row: Column of the file that names a row; with ``+`` between two, their values with a space.
        labels: Our name of each of its rows; rows that it does not name keep theirs.
        column: Trigger kind where the file has no column ``trigger_kind``.
        only: Column and value that rows must have; empty for all.
        dataset: What the models are of, where the file has no column ``dataset``.
    """

    file: str
    row: str
    labels: Mapping[str, str] = field(default_factory=dict)
    column: str = "polygon"
    only: Mapping[str, str] = field(default_factory=dict)
    dataset: str = "trojai_r2"

    def read(self, folder: Path) -> list[ReportedRow]:
        """Every cell of it.

        Args:
            folder: Holds the CSV files.

        Raises:
            ValueError: If the file is not there.
        """
        path = folder / self.file
        if not path.is_file():
            raise ValueError(f"{path} is not there; paths.paper names the folder of its numbers")
        frame = pd.read_csv(path, dtype=str).fillna("")
        for name, value in self.only.items():
            frame = frame[frame[name] == str(value)]
        return [self._row(dict(values)) for values in frame.to_dict("records")]

    def _row(self, values: Mapping[object, str]) -> ReportedRow:
        cells = {str(name): value for name, value in values.items()}
        name = " ".join(cells[part] for part in self.row.split("+"))
        return ReportedRow(
            row=dict(self.labels).get(name, name),
            column=cells.get("trigger_kind", self.column),
            dataset=cells.get("dataset", self.dataset),
            figures=_figures(cells),
            counts=counts_of(cells),
            printed=cells.get(_PRINTED, ""),
        )


def errata(reported: Sequence[ReportedRow]) -> list[str]:
    """The paper's accuracies that do not follow from its counts, one sentence per accuracy.

    Args:
        reported: The paper's numbers.
    """
    return [
        f"The paper prints {row.printed} for {row.row} ({row.dataset}, {row.column}); its "
        f"counts give {row.counts.accuracy:.3f}."
        for row in reported
        if not row.follows and row.counts is not None
    ]


def follows(printed: str, accuracy: float) -> bool:
    """Whether a printed accuracy is the true one, rounded or cut to as many decimals.

    Args:
        printed: As it stands in the paper.
        accuracy: Recomputed, a fraction.

    Example:
        >>> follows("0.626", 0.6268), follows("0.627", 0.6268), follows("0.625", 0.6268)
        (True, True, False)
    """
    unit = 10.0 ** -len(printed.partition(".")[2])
    cut = math.floor(accuracy / unit + 1e-9) * unit
    return any(abs(float(printed) - value) < unit / 4 for value in (cut, _rounded(accuracy, unit)))


def counts_of(values: Mapping[str, str]) -> Counts | None:
    """The four counts of a row of a CSV file; None where it has none.

    Args:
        values: The row, by column.

    Example:
        >>> counts_of({"tp": "3", "fp": "1", "num_trojaned": "4", "num_clean": "5"})
        Counts(tp=3, fp=1, tn=4, fn=1)
    """
    if "tp" not in values or not values["tp"]:
        return None
    tp, fp = int(values["tp"]), int(values["fp"])
    if "fn" in values:
        return Counts(tp=tp, fp=fp, tn=int(values["tn"]), fn=int(values["fn"]))
    (total,) = [int(values[name]) for name in _TOTALS if name in values]
    return Counts(tp=tp, fp=fp, tn=int(values["num_clean"]) - fp, fn=total - tp)


def _figures(values: Mapping[str, str]) -> dict[str, float]:
    figures = {name: float(values[key]) for key, name in _FIGURES.items() if values.get(key)}
    counts = counts_of(values)
    if counts is None:
        return figures
    return figures | {"TPR": counts.tpr, "FPR": counts.fpr, "accuracy": counts.accuracy}


def _rounded(value: float, unit: float) -> float:
    return math.floor(value / unit + 0.5) * unit
