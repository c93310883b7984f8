"""A table or figure of the paper in Markdown, ours beside theirs; pure functions of the rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from exray.evaluation.breakdown import FACTORS, by_factor
from exray.evaluation.metrics import Statistics, statistics_of_all
from exray.evaluation.paired_tests import paired_test, pruning
from exray.evaluation.predictions import Predictions, all_clean, left_out, scanner_alone, with_judge
from exray.experiments.cells import Column
from exray.experiments.claims import PaperClaim, goals_beyond, paper_claims
from exray.experiments.published import ReportedRow
from exray.experiments.table import ExperimentTable
from exray.reports.formatting import number, with_interval
from exray.reports.markdown import statistics_markdown
from exray.text import markdown_table

_SHORT = {
    "trojai_r2": "R2",
    "trojai_r3": "R3",
    "trojai_r4": "R4",
    "imagenet": "ImageNet",
    "cifar10": "CIFAR-10",
}
_COMPARED = ("accuracy", "balanced accuracy")  # whose differences a table prints
_SAYS = {True: "holds", False: "does not hold", None: "cannot be said"}
INTERVALS = (
    "In brackets: 95 % bootstrap intervals over models; one without width says that the models "
    "agree, not that the figure is certain."
)
BESTS = (
    "`best separation`: the threshold was chosen on the very models of the row, as the paper does, "
    "and flatters it. `frozen threshold`: other models chose it."
)


def experiment_markdown(
    table: ExperimentTable, rows: pd.DataFrame, reported: Sequence[ReportedRow]
) -> str:
    """An experiment's ``table.md``: per column figures, pruning, paired tests and claims.

    Args:
        table: The experiment.
        rows: A row per model, row of the table and column, as `ExperimentTable.frame` gives it.
        reported: The paper's numbers.
    """
    parts = [f"# {table.about.title}\n"]
    for column in table.columns():
        own = rows[rows["column"] == column.name]
        published = [row for row in reported if row.column == column.name]
        if len(own):
            parts.append(_column_markdown(table, column, own, published))
    notes = [INTERVALS]
    if rows["row"].str.contains("best separation").any():
        notes.append(BESTS)
    return "\n".join([*parts, *notes, ""])


def ordered_rows(rows: pd.DataFrame, reported: Sequence[ReportedRow] = ()) -> list[str]:
    """The names of a table's rows: the paper's order first, then as they come, by the axis.

    Args:
        rows: A row per model and row of the table.
        reported: The paper's numbers.
    """
    names = rows.drop_duplicates("row")[["row", "setting"]]
    order = list(dict.fromkeys(row.row for row in reported))
    places = {name: place for place, name in enumerate(order)}

    def place(pair: tuple[str, float]) -> tuple[float, int]:
        base = pair[0].partition(", ")[0]
        rank = places.get(pair[0], places.get(base, len(order)))
        return (0.0 if math.isnan(pair[1]) else pair[1], rank)

    pairs = [(str(name), float(value)) for name, value in names.itertuples(index=False)]
    return [name for name, _ in sorted(pairs, key=place)]


def row_predictions(
    rows: pd.DataFrame, reported: Sequence[ReportedRow] = ()
) -> dict[str, Predictions]:
    """The predictions of each row of one column, in the table's order.

    Args:
        rows: A row per model and row of the table.
        reported: The paper's numbers, for the order.
    """
    return {
        name: with_judge(rows[rows["row"] == name], name) for name in ordered_rows(rows, reported)
    }


def _column_markdown(
    table: ExperimentTable,
    column: Column,
    rows: pd.DataFrame,
    reported: Sequence[ReportedRow],
) -> str:
    predictions = row_predictions(rows, reported)
    trivial = _trivial(rows, predictions)
    figures = statistics_of_all([*predictions.values(), trivial])
    num_trojaned = int(trivial.is_trojaned.sum())
    num_clean = len(trivial) - num_trojaned
    parts = [
        f"## {column.title}: {num_trojaned} trojaned and {num_clean} clean models\n",
        statistics_markdown("", figures),
        _pruning_markdown(rows, list(predictions)),
    ]
    if table.about.reference in predictions:
        parts.append(_tests_markdown(predictions, table.about.reference))
    if reported:
        parts.append(_published_markdown(figures, reported))
    if table.about.claims:
        parts.append(claims_markdown([*paper_claims(rows), *goals_beyond(rows)]))
    parts += _factors_markdown(rows, table.about.apart)
    gaps = _gaps(rows)
    return "\n".join([*parts, f"{gaps}\n"] if gaps else parts)


def _trivial(rows: pd.DataFrame, predictions: Mapping[str, Predictions]) -> Predictions:
    """The trivial rule on the longest row's models; without probabilities if no row has any."""
    trivial = all_clean(max(_by_row(rows).values(), key=len))
    if all(np.isnan(row.probability).all() for row in predictions.values()):
        return replace(trivial, probability=trivial.probability * math.nan)
    return trivial


def claims_markdown(claims: Sequence[PaperClaim]) -> str:
    """The claims with the figures that decide them, a row per claim; empty without claims.

    Args:
        claims: The claims.
    """
    cells = [(claim.text, claim.figure, _SAYS[claim.holds]) for claim in claims]
    return markdown_table(("claim", "here", ""), cells) if claims else ""


def _pruning_markdown(rows: pd.DataFrame, names: Sequence[str]) -> str:
    """How each row changes its scanner's positives."""
    cells = []
    for name in names:
        own = rows[rows["row"] == name]
        scanner, judged = scanner_alone(own), with_judge(own)
        if len(scanner) and len(judged):
            change = pruning(scanner, judged)
            shares = (change.fp_reduction, change.tp_loss, change.accuracy_gain)
            cells.append([name, *map(with_interval, shares)])
    header = ("against the scanner alone", "FP removed", "TP lost", "accuracy gained")
    return markdown_table(header, cells)


def _factors_markdown(rows: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Figures of some rows per level of each factor, a table per factor of several levels."""
    by_row = _by_row(rows)
    ordered = {name: by_row[name] for name in names if name in by_row}
    parts, uniform = [], []
    for factor in FACTORS if ordered else ():
        by_name = {name: by_factor(own, factor) for name, own in ordered.items()}
        levels = list(dict.fromkeys(level.name for own in by_name.values() for level in own))
        word = factor.replace("_", " ")
        if len(levels) < 2:
            uniform += [f"{word} {level}" for level in levels]
            continue
        labelled = [
            replace(statistics, name=f"{level}: {name}")
            for level in levels
            for name, own in by_name.items()
            for statistics in own
            if statistics.name == level
        ]
        parts.append(statistics_markdown(f"by {word}", labelled))
    return [*parts, f"One level only: {', '.join(uniform)}.\n"] if uniform else parts


def _tests_markdown(predictions: Mapping[str, Predictions], reference: str) -> str:
    """McNemar's exact test of each row against the reference, model by model."""
    header = [
        f"paired with {reference}",
        "models",
        "only this right",
        f"only {reference} right",
        "p",
        *(f"{figure} difference" for figure in _COMPARED),
    ]
    cells = []
    for name, own in predictions.items():
        if name != reference:
            test = paired_test(own, predictions[reference])
            tallies = (test.num_models, test.only_first_right, test.only_second_right)
            differences = [with_interval(test.differences[figure]) for figure in _COMPARED]
            cells.append([test.first, *tallies, number(test.p_value, 3), *differences])
    return markdown_table(header, cells)


def _published_markdown(figures: Sequence[Statistics], reported: Sequence[ReportedRow]) -> str:
    """Our figures beside the paper's, dataset by dataset."""
    datasets = list(dict.fromkeys(row.dataset for row in reported))
    names = list(dict.fromkeys(name for row in reported for name in row.figures))
    by_name = {statistics.name: statistics for statistics in figures}
    titles = (f"the paper, {_SHORT.get(dataset, dataset)}" for dataset in datasets)
    cells = []
    for name in dict.fromkeys(row.row for row in reported):
        ours = _ours(by_name, name)
        here = _joined([ours.estimates[figure].value for figure in names]) if ours else "-"
        published = [_theirs(reported, name, dataset, names) for dataset in datasets]
        cells.append([ours.name if ours else name, here, *published])
    text = markdown_table([" / ".join(names), "here", *titles], cells)
    if all(row.follows for row in reported):
        return text
    return f"{text}\n* the paper prints another accuracy than follows from its counts.\n"


def _ours(figures: Mapping[str, Statistics], name: str) -> Statistics | None:
    """The row of that name, or of its best separation, which is the paper's protocol."""
    return figures.get(name) or figures.get(f"{name}, best separation")


def _theirs(reported: Sequence[ReportedRow], name: str, dataset: str, names: Sequence[str]) -> str:
    for row in reported:
        if (row.row, row.dataset) == (name, dataset):
            values = [row.figures.get(figure, math.nan) for figure in names]
            return _joined(values) + ("" if row.follows else f" ({row.printed} printed)*")
    return "-"


def _joined(values: Sequence[float]) -> str:
    return " / ".join(number(value, 3) for value in values)


def _gaps(rows: pd.DataFrame) -> str:
    """Failed scans, and rows of fewer models than others."""
    failed = rows[rows["status"] != "done"]
    parts = [
        f"{name}: failed {', '.join(sorted(own['model_id'].astype(str)))}."
        for name, own in failed.groupby("row")
    ]
    by_row = _by_row(rows)
    longest = max(by_row.values(), key=len)
    parts += [
        f"{name}: {len(own)} of {len(longest)} models."
        for name, own in by_row.items()
        if len(own) < len(longest)
    ]
    caption = left_out(longest).caption
    return " ".join([*parts, caption] if "unknown" in caption else parts)


def _by_row(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): own for name, own in rows.groupby("row", sort=False)}
