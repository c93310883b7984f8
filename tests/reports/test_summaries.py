"""A run's figures for scripts and for comparisons of runs."""

import json

from exray.reports.summaries import machine_line, summary_json, summary_of
from exray.results.collection import collect
from exray.results.store import ResultStore


def test_the_machine_line_has_five_tab_separated_fields(store):
    lines = [machine_line(scan.record) for scan in collect(store).scans]
    assert lines == ["id-0\ttrojaned\t0.9000\t2\t1", "id-1\tfailed\tnan\t0\t0"]


def test_the_summary_holds_the_machine_lines_fields(store):
    records = [scan.record for scan in collect(store).scans]
    summary = summary_json(records)
    text = json.dumps(summary, allow_nan=False)
    assert json.loads(text)["models"][0] == {
        "model_id": "id-0",
        "verdict": "trojaned",
        "probability": 0.9,
        "num_triggers": 2,
        "num_injected": 1,
        "error_line": "",
    }
    assert summary["models"][1]["probability"] is None
    assert summary["counts"]["total"] == 2
    assert summary["counts"]["trojaned"] == summary["counts"]["failed"] == 1


def test_runs_are_compared_by_figures_with_intervals(store):
    summary = summary_of(collect(store))
    assert summary["judge/TP"] == 1
    assert summary["scanner/FP"] == 0
    assert summary["judge/TPR/low"] == summary["judge/TPR"] == summary["judge/TPR/high"] == 1
    assert summary["verdicts"]["failed"] == 1
    assert summary["caption"] == collect(store).caption
    assert not any(" " in name for name in summary)


def test_figures_that_are_not_defined_are_left_out(store, tmp_path):
    summary = summary_of(collect(store))  # one trojaned model of known truth
    assert not [name for name in summary if "ROC-AUC" in name or "FPR" in name]
    empty = summary_of(collect(ResultStore(tmp_path / "empty")))
    assert set(empty) == {"verdicts", "caption"}
