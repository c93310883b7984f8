"""A finished run's tables, report, lines and status."""

import io
import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

from exray.app.publishing import lines_of, publish, stderr_console, write_results
from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict


@pytest.fixture
def store(tmp_path, stored_record, stored_trigger):
    store = ResultStore(tmp_path / "run")
    store.claim("r", {"seed": 3})
    for model_id, is_trojaned, similarity in (("a", True, 0.6), ("b", False, 0.9)):
        record = replace(stored_record(model_id, is_trojaned, similarity), seconds={"total": 1.0})
        store.write(ModelScan(record=record, triggers=(stored_trigger(similarity),)))
    return store


def published(store, collection, model_ids):
    file = io.StringIO()
    console = Console(file=file, width=120)
    return publish(collection, model_ids, store.root, console), file.getvalue()


def test_tables_summary_and_report_lie_beside_the_records(store):
    collection = write_results(store, ("a", "b", "c"), "mine")
    names = {"records.csv", "triggers.csv", "summary.json", "report.html"}
    assert names <= {path.name for path in store.root.iterdir()}
    summary = json.loads((store.root / "summary.json").read_text())
    assert [model["model_id"] for model in summary["models"]] == ["a", "b"]
    assert "exray: mine" in (store.root / "report.html").read_text()
    assert collection.missing == ("c",)


def test_the_summary_counts_the_expected_models_alone(store):
    write_results(store, ("b",), "mine")
    summary = json.loads((store.root / "summary.json").read_text())
    assert [model["model_id"] for model in summary["models"]] == ["b"]


def test_a_run_prints_the_models_that_it_was_asked_for_and_fails_where_one_is_missing(store):
    collection = write_results(store, ("a", "b"), "mine")
    result, text = published(store, collection, ("b",))
    assert ([line.split("\t")[0] for line in result.lines], result.status) == (["b"], 0)
    assert f"Records: {store.root}" in text
    collection = write_results(store, ("a", "b", "c"), "mine")
    assert published(store, collection, ("a", "b"))[0].status == 0
    assert published(store, collection, ("a", "b", "c"))[0].status == 1


def test_a_failed_model_fails_the_run(store, stored_record):
    failed = replace(
        stored_record("c", None, 0.9), status="failed", verdict=Verdict.FAILED, error="x"
    )
    store.write(ModelScan(record=failed))
    collection = write_results(store, ("a", "c"), "mine")
    assert published(store, collection, ("a",))[0].status == 0
    assert published(store, collection, ("a", "c"))[0].status == 1


def test_a_line_has_five_fields(stored_record):
    (line,) = lines_of([replace(stored_record("a", True, 0.6), seconds={"total": math.nan})])
    assert line == "a\ttrojaned\t0.4000\t1\t1"


def test_a_file_is_as_wide_as_the_tables_need(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert stderr_console().width == 120
