"""Figures of an experiment: rates of each row as bars, or along an axis as the paper draws them."""

import io
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import pandas as pd

from exray.evaluation.calibration_curve import calibration_curve
from exray.evaluation.predictions import Predictions
from exray.evaluation.roc import roc_curve
from exray.experiments.cells import Column
from exray.experiments.markdown import row_predictions
from exray.experiments.published import ReportedRow
from exray.experiments.table import ExperimentTable, number_after
from exray.extras import import_extra

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_TPR, _FPR, _ACCURACY, _THEIRS = "#2e71c9", "#cb2431", "#333333", "#999999"
_SEVERAL = ("#2e71c9", "#cb2431", "#22863a", "#8250df", "#b08800")
_DOTS = 130
_BINS = 5  # of the calibration curve: some dozens of models fill no more


def column_figures(
    table: ExperimentTable, rows: pd.DataFrame, reported: Sequence[ReportedRow]
) -> dict[str, bytes]:
    """Each column's rates, and the curves of its probabilities if it has any, by file name.

    Args:
        table: Names the columns, the axis and the rows whose curves are drawn.
        rows: A row per model, row of the table and column.
        reported: The paper's numbers.
    """
    figures: dict[str, bytes] = {}
    for column in table.columns():
        own = rows[rows["column"] == column.name]
        if len(own):
            published = [row for row in reported if row.column == column.name]
            figures |= _one_column(table, column, own, published)
    return figures


def _one_column(
    table: ExperimentTable, column: Column, rows: pd.DataFrame, reported: Sequence[ReportedRow]
) -> dict[str, bytes]:
    predictions = row_predictions(rows, reported)
    title = f"{table.about.title}\n{column.title}"
    axis = table.about.axis
    rates = curves_png(predictions, axis, title, reported) if axis else bars_png(predictions, title)
    figures = {f"{column.name}.png": rates}
    curves = {name: predictions[name] for name in table.about.curves if name in predictions}
    if any(roc_curve(predictions) is not None for predictions in curves.values()):
        figures[f"{column.name}_probabilities.png"] = probabilities_png(curves, title)
    return figures


def bars_png(predictions: Mapping[str, Predictions], title: str) -> bytes:
    """True and false positive rates of each row, as horizontal bars.

    Args:
        predictions: The rows.
        title: Above the drawing.
    """
    figure = new_figure(7.0, 1.2 + 0.34 * len(predictions))
    axes = figure.subplots()
    places = range(len(predictions))
    rates = [(row.counts.tpr, row.counts.fpr) for row in predictions.values()]
    axes.barh([p - 0.2 for p in places], [r[0] for r in rates], 0.4, color=_TPR, label="TPR")
    axes.barh([p + 0.2 for p in places], [r[1] for r in rates], 0.4, color=_FPR, label="FPR")
    axes.set_yticks(list(places), list(predictions), fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=7, loc="upper right", bbox_to_anchor=(1, 1.12), ncols=2, frameon=False)
    return figure_png(figure)


def curves_png(
    predictions: Mapping[str, Predictions],
    axis: str,
    title: str,
    reported: Sequence[ReportedRow] = (),
) -> bytes:
    """Rates and accuracy along an axis, a panel for each series of rows.

    Args:
        predictions: The rows; the axis's word and number stand in their names.
        axis: That word.
        title: Above the drawing.
        reported: The paper's numbers along the same axis, drawn dashed.
    """
    points = pd.DataFrame(
        [
            {
                "series": series_of(axis, name),
                "x": number_after(axis, name),
                "TPR": row.counts.tpr,
                "FPR": row.counts.fpr,
                "accuracy": row.counts.accuracy,
            }
            for name, row in predictions.items()
        ]
    ).dropna(subset=["x"])
    groups = list(points.sort_values("x").groupby("series"))
    figure = new_figure(4.2 * max(1, len(groups)), 3.2)
    panels = figure.subplots(1, max(1, len(groups)), squeeze=False)[0]
    for panel, (name, own) in zip(panels, groups, strict=False):
        for figure_name, colour in (("TPR", _TPR), ("FPR", _FPR), ("accuracy", _ACCURACY)):
            panel.plot(own["x"], own[figure_name], "o-", color=colour, ms=3, label=figure_name)
        _draw_reported(panel, axis, reported)
        panel.set(xlabel=axis, ylim=(-0.02, 1.02))
        panel.set_title(f"{title}\n{name}", fontsize=8)
        panel.legend(fontsize=7)
    return figure_png(figure)


def probabilities_png(predictions: Mapping[str, Predictions], title: str) -> bytes:
    """How far each row's probabilities rank the models, and how far they mean what they say.

    The ROC curve beside the calibration curve (reliability diagram), whose dots grow with the
    models in their bin. Rows without probabilities of both kinds of model are left out.

    Args:
        predictions: The rows.
        title: Above the drawing.
    """
    figure = new_figure(8.4, 4.2)
    ranking, meaning = figure.subplots(1, 2)
    for (name, row), colour in zip(predictions.items(), itertools.cycle(_SEVERAL)):
        roc = roc_curve(row)
        if roc is None:
            continue
        ranking.plot(roc.fpr, roc.tpr, color=colour, label=name)
        curve = calibration_curve(row, bins=_BINS)
        meaning.plot(
            curve.stated, curve.observed, color=colour, label=f"{name}: off by {curve.error:.2f}"
        )
        areas = [12 * size for size in curve.sizes]
        meaning.scatter(curve.stated, curve.observed, s=areas, color=colour, alpha=0.5)
    for axes in (ranking, meaning):
        axes.plot([0, 1], [0, 1], ":", color=_THEIRS, lw=1)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes.legend(fontsize=7, loc="lower right")
    ranking.set(xlabel="FPR", ylabel="TPR")
    meaning.set(xlabel="stated probability", ylabel="share of trojaned models")
    figure.suptitle(title, fontsize=9)
    return figure_png(figure)


def series_of(axis: str, name: str) -> str:
    """What is left of a row's name without the axis's word and number.

    Args:
        axis: The word.
        name: The row's name.

    Example:
        >>> series_of("beta", "beta 0.7, gamma 0.8"), series_of("alpha", "alpha 0.7")
        ('gamma 0.8', 'judged')
    """
    left = re.sub(rf"{re.escape(axis)} [\d.]+( px)?", "", name).strip(" ,")
    return left or "judged"


def _draw_reported(
    panel: "matplotlib.axes.Axes", axis: str, reported: Sequence[ReportedRow]
) -> None:
    for dataset in dict.fromkeys(row.dataset for row in reported):
        own = [row for row in reported if row.dataset == dataset]
        places = [number_after(axis, row.row) for row in own]
        values = [row.figures["accuracy"] for row in own]
        label = f"accuracy, paper ({dataset.removeprefix('trojai_').upper()})"
        panel.plot(places, values, "--", color=_THEIRS, lw=1, label=label)


def new_figure(width: float, height: float) -> "matplotlib.figure.Figure":
    """An empty drawing.

    Args:
        width: In inches.
        height: In inches.

    Raises:
        ValueError: If matplotlib is not installed.
    """
    library = import_extra(
        "matplotlib.figure", extra="figures", purpose="drawing a table's figures"
    )
    figure = library.Figure(figsize=(width, height), layout="constrained")
    return cast("matplotlib.figure.Figure", figure)


def figure_png(figure: "matplotlib.figure.Figure") -> bytes:
    """A drawing as the content of a PNG file, without the version of what drew it.

    Args:
        figure: The drawing.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS, metadata={"Software": None})
    return buffer.getvalue()
