"""A run's status: counts, workers, failures, pace; live, at the end and after a crash."""

import pytest

from exray.errors import RecordError
from exray.results.status import RunStatus, StatusReader, run_folders
from exray.results.store import ResultStore
from exray.results.workers import WorkerReport, WorkerState
from tests.results.scans import scan


def test_a_live_run_is_read_while_it_is_scanned(tmp_path):
    store = ResultStore(tmp_path)
    reader = StatusReader(tmp_path, "run")
    with store.session().joined(["a", "b", "c", "d"]) as heartbeat:
        store.write(scan("a"))
        store.write(scan("b", "failed", "out of memory"))
        heartbeat.start("c")
        heartbeat._write()
        status = reader.read()
        assert (status.expected, status.done, status.remaining, status.running) == (4, 1, 2, 1)
        assert status.failed == {"b": "out of memory"}
        assert status.workers[0].state.model_id == "c"
    store.write(scan("b"))  # tried again
    status = reader.read()
    assert (status.done, status.failed, status.workers) == (2, {}, ())
    assert status.remaining == 2


def test_a_worker_that_only_looks_after_others_is_not_listed(tmp_path):
    with ResultStore(tmp_path).session().joined(["a"], scans=False):
        assert StatusReader(tmp_path, "run").read().workers == ()


def test_the_pace_is_that_of_the_living_workers():
    def worker(scanned, seconds):
        state = WorkerState(worker="h:1", version="1", seconds=seconds, scanned=scanned)
        return WorkerReport(state=state, is_alive=True)

    values = {"name": "n", "expected": 100, "done": 30, "failed": {}, "dead": ()}
    status = RunStatus(workers=(worker(10, 100.0), worker(20, 50.0)), **values)
    assert status.models_per_second == pytest.approx(0.5)
    assert status.seconds_left == pytest.approx(140.0)
    assert RunStatus(workers=(worker(0, 5.0),), **values).seconds_left is None
    assert RunStatus(workers=(), **values).models_per_second is None


def test_a_broken_record_is_named(tmp_path):
    ResultStore(tmp_path).write(scan("a"))
    (tmp_path / "a" / "record.json").write_text("{")
    with pytest.raises(RecordError, match=r"a/record\.json is broken"):
        StatusReader(tmp_path, "run").read()


def test_a_name_is_a_run_or_a_sweep_of_cells(tmp_path):
    ResultStore(tmp_path / "single").claim("r", {})
    for cell in ("judge=a", "judge=b"):
        ResultStore(tmp_path / "sweep" / cell).claim("r", {})
    (tmp_path / "scans").mkdir()
    assert run_folders(tmp_path, "single") == {"single": tmp_path / "single"}
    assert list(run_folders(tmp_path, "sweep")) == ["sweep/judge=a", "sweep/judge=b"]
    with pytest.raises(ValueError, match=r"holds no run 'singel'; it has: single, sweep$"):
        run_folders(tmp_path, "singel")
    with pytest.raises(ValueError, match="it has none"):
        run_folders(tmp_path / "nowhere", "x")
