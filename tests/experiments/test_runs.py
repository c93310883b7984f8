"""Runs as an experiment reads them: their cells, their settings, and what may tune them."""

import math

import pytest

from exray.experiments.runs import ExperimentRun
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict


@pytest.fixture
def store_cell(tmp_path):
    """Stores models given by id, with the stages' seconds of each, under one configuration."""

    def write(folder, models, *, truth=None, **config):
        store = ResultStore(tmp_path / folder)
        store.claim("r", config)
        for model_id, seconds in models.items():
            record = ScanRecord(
                model_id=model_id,
                run_id="r",
                status="failed" if model_id == "broken" else "done",
                verdict=Verdict.FAILED if model_id == "broken" else Verdict.CLEAN,
                probability=0.1,
                judge="l2",
                seconds=seconds,
                truth=truth or {},
            )
            store.write(ModelScan(record=record))

    return write


def test_a_sweep_is_a_cell_per_folder_with_records(store_cell, tmp_path):
    store_cell(
        "run/judge=l2", {"a": {"inversion": 2.0}}, scan={"probability_without_triggers": 0.2}
    )
    store_cell("run/judge.alpha=0.8", {"a": {"inversion": 0.1, "kept_inversion": 3.0}, "b": {}})
    store_cell("run/judge=none", {})
    store_cell("run/logs", {"a": {}})
    run = ExperimentRun.read(tmp_path / "run")
    assert list(run.collections) == ["judge.alpha=0.8", "judge=l2"]
    alpha, other = run.cells("alpha")
    assert (alpha.name, alpha.setting) == ("alpha 0.8", 0.8)
    assert (other.name, other.probability_without_triggers) == ("l2", 0.2)
    assert math.isnan(other.setting)
    assert alpha.records["inversion_seconds"].tolist()[0] == 3.0  # of the original inversion
    assert math.isnan(alpha.records["inversion_seconds"][1])
    assert len(run.frame) == 3
    assert list(ExperimentRun.read(tmp_path / "run", ["judge=l2"]).collections) == ["judge=l2"]


def test_a_run_that_is_no_sweep_is_one_cell_named_by_its_judge(store_cell, tmp_path):
    store_cell("run", {"a": {}}, seed=3)
    run = ExperimentRun.read(tmp_path / "run")
    assert [cell.name for cell in run.cells("")] == ["l2"]
    assert run.settings == {"seed": 3}
    assert not run.has_failures
    store_cell("other", {"a": {}, "broken": {}})
    assert ExperimentRun.read(tmp_path / "other").has_failures


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    run = ExperimentRun.read(tmp_path / "none")
    assert (run.collections, run.settings, run.cells("")) == ({}, {}, [])


def test_no_threshold_is_chosen_on_a_model_that_is_reported_on(store_cell, tmp_path):
    store_cell("report", {"a": {}, "b": {}}, input="signs-1")
    store_cell("same", {"c": {}, "b": {}}, input="signs-1")
    store_cell("apart", {"c": {}}, input="signs-1")
    store_cell("elsewhere", {"a": {}}, input="signs-2")
    store_cell("reserved", {"c": {}}, input="signs-2", truth={"reserved": True})
    runs = {
        name: ExperimentRun.read(tmp_path / name)
        for name in ("report", "same", "apart", "elsewhere", "reserved")
    }
    with pytest.raises(ValueError, match="same holds b, which is reported on here; choose"):
        runs["same"].refuse_for_tuning(runs["report"])
    with pytest.raises(ValueError, match="holds c, which is kept for reporting"):
        runs["reserved"].refuse_for_tuning(runs["report"])
    for name in ("apart", "elsewhere"):
        runs[name].refuse_for_tuning(runs["report"])


def test_runs_that_do_not_say_which_zoo_they_scanned_are_not_compared(store_cell, tmp_path):
    for name in ("report", "tuning"):
        store_cell(name, {"a": {}}, seed=1)
    tuning, report = (ExperimentRun.read(tmp_path / name) for name in ("tuning", "report"))
    tuning.refuse_for_tuning(report)
