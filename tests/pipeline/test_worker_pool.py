"""Workers stream models; one that dies or overstays costs no other model anything."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest
from scripted_models import ScriptedRun

from exray.pipeline.worker_pool import PoolSettings, WorkerDiedError, WorkerPool, use_one_gpu
from exray.results.store import ResultStore


class Lines:
    """Progress that keeps what it shows."""

    def __init__(self):
        self.texts = []

    @contextmanager
    def shown(self):
        yield

    def start(self, model_id):
        pass

    def stage(self, name, done, total):
        pass

    def put_off(self):
        pass

    def finish(self, text):
        self.texts.append(text)


def scanned(folder, model_ids, *, workers=2, time_limit=None, build=None):
    """Records by model after a pool was through, what was begun, and its progress's lines."""
    store, scans, lines = ResultStore(folder / "run"), [], Lines()
    pool = WorkerPool(
        build=build or ScriptedRun(model_ids=tuple(model_ids), folder=folder),
        store=store,
        settings=PoolSettings(workers=workers, time_limit=time_limit),
        on_scan=scans.append,
        progress=lines,
    )
    pool.scan(tuple(model_ids), tuple(model_ids))
    records = {scan.record.model_id: scan.record for scan in scans}
    assert len(records) == len(scans)  # each told once
    return records, Counter((folder / "begun").read_text().split()), lines.texts


def test_each_model_is_scanned_once_whatever_the_others_do(tmp_path):
    """Hanging, failing and killing models among good ones, in one pool of two workers."""
    ids = ["a", "hang-0", "die-1", "b", "fail-0", "die-9", "c", "d"]
    records, begun, texts = scanned(tmp_path, ids, time_limit=20.0)
    status = {model_id: records[model_id].status for model_id in ids}
    assert status == {
        "a": "done", "hang-0": "failed", "die-1": "done", "b": "done", "fail-0": "failed",
        "die-9": "failed", "c": "done", "d": "done",
    }  # fmt: skip
    assert records["hang-0"].error_line == "took longer than the time limit of 20 s"
    assert "died 3 times" in records["die-9"].error_line
    assert records["fail-0"].error_line == "no such layer"
    assert begun == {
        "a": 1, "hang-0": 1, "die-1": 2, "b": 1, "fail-0": 1, "die-9": 3, "c": 1, "d": 1,
    }  # fmt: skip
    assert len(texts) == len(ids)
    # The same command goes on: finished models stay, failed ones are tried again.
    again, begun, texts = scanned(tmp_path, [*ids[:1], *ids[4:5]])
    assert (begun["a"], begun["fail-0"]) == (1, 2)
    assert "a: already scanned, clean" in texts
    assert again["fail-0"].status == "failed"


@dataclass(frozen=True)
class WithWrongClock:
    """Workers whose clocks are hours apart, and who date all files of the run by their own."""

    run: ScriptedRun

    def __call__(self, index, progress):
        skew, true_time = (index - 1) * 7 * 3600.0, time.time
        time.time = lambda: true_time() + skew
        return self.run(index, progress)


class DatesFiles(threading.Thread):
    """Dates all that workers share by a clock that is hours early, then late, while it runs."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.ended, self.dated = root, threading.Event(), set()

    def run(self):
        while not self.ended.wait(0.05):
            for skew in (-7 * 3600.0, 7 * 3600.0):
                now = time.time() + skew
                for path in (*self.root.glob(".lock-*"), *self.root.glob(".workers/**/*")):
                    with suppress(FileNotFoundError):
                        os.utime(path, (now, now))
                        self.dated.add(path.name)


def test_clocks_that_disagree_by_hours_drop_nothing_and_repeat_nothing(tmp_path):
    ids = ["slow-3", "a", "slow-2", "die-1", "b", "slow-1", "c"]
    run = ScriptedRun(model_ids=tuple(ids), folder=tmp_path)
    dates = DatesFiles(tmp_path / "run")
    dates.start()
    records, begun, _ = scanned(
        tmp_path, ids, workers=3, time_limit=120.0, build=WithWrongClock(run)
    )
    dates.ended.set()
    dates.join()
    assert {".lock-slow-3", ".lock-slow-2", ".lock-slow-1", "session.json"} <= dates.dated
    assert {records[model_id].status for model_id in ids} == {"done"}
    assert begun == {model_id: 2 if model_id == "die-1" else 1 for model_id in ids}


@dataclass(frozen=True)
class DiesAtOnce:
    def __call__(self, index, progress):
        del index, progress
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Refuses:
    def __call__(self, index, progress):
        del index, progress
        raise ValueError("steps must be >= 1; got 0")


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (DiesAtOnce(), WorkerDiedError, r"3 workers died before their first model.*status -9"),
        (Refuses(), ValueError, r"^steps must be >= 1; got 0$"),
    ],
)
def test_workers_that_never_get_to_a_model_end_the_run_in_one_line(tmp_path, build, error, message):
    pool = WorkerPool(
        build=build,
        store=ResultStore(tmp_path),
        settings=PoolSettings(workers=1),
        on_scan=lambda _: None,
        progress=Lines(),
    )
    with pytest.raises(error, match=message):
        pool.scan(["a"], ["a"])


def test_workers_die_with_their_pool(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from tests.pipeline.test_worker_pool import scanned\n"
        f"scanned(Path({str(tmp_path)!r}), ['hang-0', 'hang-1'])\n"
    )
    path = os.pathsep.join([os.getcwd(), "tests/corpus"])
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
    session = ResultStore(tmp_path / "run").session()
    until = time.monotonic() + 200
    while sum(bool(worker.state.model_id) for worker in session.workers()) < 2:
        assert time.monotonic() < until
        time.sleep(0.2)
    child.kill()
    child.wait()
    while any(worker.is_alive for worker in session.workers()):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="scan_workers must be >= 1; got 0"):
        PoolSettings(workers=0)
    with pytest.raises(ValueError, match="time_limit must be null or seconds above 0; got -1"):
        PoolSettings(workers=1, time_limit=-1.0)


def test_without_a_gpu_no_worker_is_given_one():
    assert use_one_gpu(1, {"CUDA_VISIBLE_DEVICES": ""}) is None
