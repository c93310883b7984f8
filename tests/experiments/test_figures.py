"""Drawings of an experiment's rows."""

import math
import sys
from dataclasses import replace

import pytest

from exray.experiments.figures import bars_png, curves_png, new_figure, probabilities_png
from exray.experiments.markdown import row_predictions
from exray.experiments.published import ReportedRow


def test_without_matplotlib_a_drawing_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    with pytest.raises(ValueError, match=r"figures needs matplotlib, .*'exray\[figures\]'"):
        new_figure(1.0, 1.0)


PNG = b"\x89PNG"


def test_drawings_are_images(rows):
    predictions = row_predictions(rows)
    assert bars_png(predictions, "Table 1").startswith(PNG)
    swept = {
        f"beta {place / 10}": predicted
        for place, predicted in enumerate(predictions.values(), start=7)
    }
    theirs = [
        ReportedRow(
            row="beta 0.7", column="polygon", dataset="trojai_r2", figures={"accuracy": 0.836}
        )
    ]
    assert curves_png(swept, "beta", "Figure 19", theirs).startswith(PNG)


def test_the_drawing_of_probabilities_shows_rows_that_have_them(rows, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "exray.experiments.figures.figure_png", lambda figure: drawn.append(figure) or PNG
    )
    predictions = row_predictions(rows)
    silent = replace(predictions["none"], probability=predictions["none"].probability * math.nan)
    probabilities_png({"exray": predictions["exray"], "silent": silent}, "Table 1")
    ranking, meaning = drawn[0].axes
    assert [text.get_text() for text in ranking.get_legend().get_texts()] == ["exray"]
    assert meaning.lines[0].get_label().startswith("exray: off by 0.")
    stated, observed = meaning.lines[0].get_data()
    assert min(stated.min(), observed.min()) >= 0
    assert max(stated.max(), observed.max()) <= 1
    monkeypatch.undo()
    assert probabilities_png(predictions, "Table 1").startswith(PNG)
