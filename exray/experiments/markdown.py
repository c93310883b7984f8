"""A table or figure of the paper in Markdown, ours beside theirs; pure functions of the rows."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from exray.evaluation.breakdown import FACTORS, by_factor
from exray.evaluation.metrics import Statistics, statistics_of_all
from exray.evaluation.paired_tests import PairedTest, paired_test, pruning
from exray.evaluation.predictions import Predictions, all_clean, left_out, scanner_alone, with_judge
from exray.experiments.cells import Column
from exray.experiments.claims import PaperClaim, goals_beyond, paper_claims
from exray.experiments.published import ReportedRow
from exray.experiments.table import ExperimentTable
from exray.reports.formatting import number, with_interval
from exray.reports.markdown import statistics_markdown

_SHORT = {"trojai_r2": "R2", "trojai_r3": "R3", "trojai_r4": "R4", "imagenet": "ImageNet"}
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
    """All of an experiment's ``table.md``: for each column figures, what is pruned, tests, claims.

    Args:
        table: The experiment.
        rows: A row per model, row of the table and column, as `ExperimentTable.frame` gives it.
        reported: The paper's numbers.
    """
    parts = [f"# {table.about.title}\n"]
    for column in table.columns():
        own = rows[rows["column"] == column.name]
        theirs = [each for each in reported if each.column == column.name]
        if len(own):
            parts.append(_column_markdown(table, column, own, theirs))
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
    order = list(dict.fromkeys(each.row for each in reported))
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
    trivial = all_clean(max(_by_row(rows).values(), key=len))
    if all(math.isnan(value) for each in predictions.values() for value in each.probability):
        trivial = Predictions(
            name=trivial.name,
            model_ids=trivial.model_ids,
            is_trojaned=trivial.is_trojaned,
            flagged=trivial.flagged,
            probability=trivial.probability * math.nan,
        )
    figures = statistics_of_all([*predictions.values(), trivial])
    num_trojaned = int(trivial.is_trojaned.sum())
    num_clean = len(trivial) - num_trojaned
    lines = [
        f"## {column.title}: {num_trojaned} trojaned and {num_clean} clean models\n",
        statistics_markdown("", figures),
        _pruning_markdown(rows, list(predictions)),
    ]
    if table.about.reference in predictions:
        lines.append(_tests_markdown(predictions, table.about.reference))
    if reported:
        lines.append(_beside_markdown(figures, reported))
    if table.about.claims:
        lines.append(claims_markdown([*paper_claims(rows), *goals_beyond(rows)]))
    lines += _factors_markdown(rows, table.about.apart)
    caption = _gaps(rows)
    return "\n".join([*lines, f"{caption}\n"] if caption else lines)


def claims_markdown(claims: Sequence[PaperClaim]) -> str:
    """The claims with what was found, a row each.

    Args:
        claims: The claims.
    """
    lines = ["| claim | here | |", "|---|---|---|"]
    lines += [f"| {claim.text} | {claim.found} | {_SAYS[claim.holds]} |" for claim in claims]
    return "\n".join(lines) + "\n" if claims else ""


def _pruning_markdown(rows: pd.DataFrame, names: Sequence[str]) -> str:
    """What each row takes away from and leaves of its scanner's alarms."""
    lines = [
        "| against the scanner alone | FP removed | TP lost | accuracy gained |",
        "|---" * 4 + "|",
    ]
    for name in names:
        own = rows[rows["row"] == name]
        scanner, judged = scanner_alone(own), with_judge(own)
        if not len(scanner) or not len(judged):
            continue
        change = pruning(scanner, judged)
        found = (change.fp_reduction, change.tp_loss, change.accuracy_gain)
        lines.append(_line([name, *map(with_interval, found)]))
    return "\n".join(lines) + "\n"


def _factors_markdown(rows: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Some rows' figures apart by each factor, a table for each that has more than one level."""
    there = _by_row(rows)
    apart = {name: there[name] for name in names if name in there}
    parts, uniform = [], []
    for factor in FACTORS if apart else ():
        found = {name: by_factor(own, factor) for name, own in apart.items()}
        levels = list(dict.fromkeys(each.name for own in found.values() for each in own))
        word = factor.replace("_", " ")
        if len(levels) < 2:
            uniform += [f"{word} {level}" for level in levels]
            continue
        told = [
            replace(each, name=f"{level}: {name}")
            for level in levels
            for name, own in found.items()
            for each in own
            if each.name == level
        ]
        parts.append(statistics_markdown(f"by {word}", told))
    return [*parts, f"One level only: {', '.join(uniform)}.\n"] if uniform else parts


def _tests_markdown(predictions: dict[str, Predictions], reference: str) -> str:
    """McNemar's exact test of each row against the reference, model by model."""
    tests: list[PairedTest] = [
        paired_test(each, predictions[reference])
        for name, each in predictions.items()
        if name != reference
    ]
    heading = [
        f"paired with {reference}",
        "models",
        "only this right",
        f"only {reference} right",
        "p",
        "accuracy difference",
        "balanced accuracy difference",
    ]
    lines = [_line(heading), "|---" * len(heading) + "|"]
    for test in tests:
        tallies = (test.num_models, test.only_first_right, test.only_second_right)
        found = [with_interval(test.differences[name]) for name in heading_figures()]
        lines.append(_line([test.first, *map(str, tallies), number(test.p_value, 3), *found]))
    return "\n".join(lines) + "\n"


def heading_figures() -> tuple[str, ...]:
    """The figures whose differences a table prints."""
    return ("accuracy", "balanced accuracy")


def _beside_markdown(figures: Sequence[Statistics], reported: Sequence[ReportedRow]) -> str:
    """Our figures beside the paper's, dataset by dataset."""
    datasets = list(dict.fromkeys(each.dataset for each in reported))
    shown = list(dict.fromkeys(name for each in reported for name in each.figures))
    ours = {each.name: each for each in figures}
    head = [" / ".join(shown), "here", *(f"the paper, {_SHORT.get(d, d)}" for d in datasets)]
    lines = [_line(head), "|---" * len(head) + "|"]
    for name in dict.fromkeys(each.row for each in reported):
        own = _ours(ours, name)
        here = _joined([own.estimates[each].value for each in shown]) if own else "-"
        theirs = [_theirs(reported, name, dataset, shown) for dataset in datasets]
        lines.append(_line([own.name if own else name, here, *theirs]))
    if any(not each.follows for each in reported):
        lines += ["", "* the paper prints another accuracy than follows from its counts."]
    return "\n".join(lines) + "\n"


def _ours(figures: dict[str, Statistics], name: str) -> Statistics | None:
    """The row of that name, or of its best separation, which is the paper's protocol."""
    return figures.get(name) or figures.get(f"{name}, best separation")


def _theirs(reported: Sequence[ReportedRow], name: str, dataset: str, shown: Sequence[str]) -> str:
    for each in reported:
        if (each.row, each.dataset) == (name, dataset):
            values = [each.figures.get(figure, math.nan) for figure in shown]
            return _joined(values) + ("" if each.follows else f" ({each.printed} printed)*")
    return "-"


def _joined(values: Sequence[float]) -> str:
    return " / ".join(number(value, 3) for value in values)


def _gaps(rows: pd.DataFrame) -> str:
    """Failed scans, and rows of fewer models than others."""
    parts = []
    failed = rows[rows["status"] != "done"]
    for name, own in failed.groupby("row"):
        parts.append(f"{name}: failed {', '.join(sorted(own['model_id'].astype(str)))}.")
    sizes = {name: len(own) for name, own in _by_row(rows).items()}
    most = max(sizes.values())
    parts += [f"{name}: {size} of {most} models." for name, size in sizes.items() if size < most]
    told = left_out(max(_by_row(rows).values(), key=len)).caption
    return " ".join([*parts, told] if "unknown" in told else parts)


def _by_row(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): own for name, own in rows.groupby("row", sort=False)}


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
