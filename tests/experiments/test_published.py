"""The paper's numbers: every accuracy recomputed, those that do not follow known by name."""

import re
from pathlib import Path

import pytest

from exray.evaluation.confusion import Counts
from exray.experiments.published import ReportedTable, counts_of, follows

PAPER = Path(__file__).parents[2] / "experiments" / "paper"
ROWS = {
    "table_1.csv": "method",
    "table_3.csv": "scanner+judge",
    "table_9.csv": "trigger_size_bound_pixels",
    "table_10.csv": "ssim_bound",
    "table_10_cvpr.csv": "method",
    "table_11.csv": "layer",
    "tables_4_5_6.csv": "attack+method",
}
SLIPS = {
    ("table_1.csv", "abs", "trojai_r3", "filter"),
    ("table_1.csv", "inner_l2", "trojai_r2", "polygon"),
    ("table_1.csv", "integrated_gradients", "trojai_r2", "polygon"),
    ("table_1.csv", "one_sided_t_to_v", "imagenet", "patch"),
    ("table_3.csv", "neural_cleanse vanilla", "trojai_r2", "polygon"),
    ("table_3.csv", "neural_cleanse exray", "trojai_r2", "polygon"),
    ("table_3.csv", "sri_re vanilla", "trojai_r2", "polygon"),
    ("table_3.csv", "sri_re exray", "trojai_r2", "polygon"),
    ("table_11.csv", "second_last", "trojai_r3", "polygon"),
    ("table_10_cvpr.csv", "exray_no_check", "trojai_r2", "filter"),
    ("table_10_cvpr.csv", "exray_no_check", "trojai_r3", "polygon"),
}


def cells(file):
    return ReportedTable(file=file, row=ROWS[file]).read(PAPER)


def test_exactly_the_known_accuracies_do_not_follow_from_their_counts():
    slips = {
        (file, row.row, row.dataset, row.column)
        for file in ROWS
        for row in cells(file)
        if not row.follows
    }
    assert slips == SLIPS


def test_the_note_beside_the_numbers_names_every_slip():
    rows = re.findall(r"\| (0\.\d+) \| (0\.\d+) \|$", (PAPER / "README.md").read_text(), re.M)
    slips = [row for file in ROWS for row in cells(file) if not row.follows]
    expected = {(row.printed, f"{row.counts.accuracy:.3f}") for row in slips}
    assert {(f"{float(one):.3f}", two) for one, two in rows} == {
        (f"{float(one):.3f}", two) for one, two in expected
    }


def test_table_3_follows_with_the_models_of_table_1():
    for row in cells("table_3.csv"):
        if not row.follows:
            assert row.counts.tp + row.counts.fn == 252
            tp, fp, tn = row.counts.tp, row.counts.fp, row.counts.tn
            assert follows(row.printed, Counts(tp=tp, fp=fp, tn=tn, fn=276 - tp).accuracy)


def test_rows_take_our_names_and_keep_their_counts():
    table = ReportedTable(
        file="table_1.csv", row="method", labels={"abs": "none"}, only={"dataset": "trojai_r2"}
    )
    rows = table.read(PAPER)
    assert {row.dataset for row in rows} == {"trojai_r2"}
    (vanilla,) = [row for row in rows if (row.row, row.column) == ("none", "polygon")]
    assert vanilla.counts == Counts(tp=254, fp=218, tn=334, fn=22)
    assert vanilla.figures["FPR"] == pytest.approx(218 / 552)


def test_figures_without_counts_are_taken_as_printed():
    (first, *_) = ReportedTable(file="table_2.csv", row="method", column="all").read(PAPER)
    assert (first.counts, first.column, first.follows) == (None, "all", True)
    assert first.figures == {"cross-entropy": 0.685, "ROC-AUC": 0.736}
    assert counts_of({"tp": ""}) is None


def test_a_table_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"table_99.csv is not there; paths.paper names"):
        ReportedTable(file="table_99.csv", row="method").read(PAPER)
