"""A run's models: scanned once, read from the store, or left to the process that scans them."""

import errno
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch

from exray.datasets.base import LoadedModel
from exray.datasets.single import SingleModelDataset
from exray.errors import StorageError
from exray.judges.baselines.no_judge import KeepAll
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.runner import ScanRun
from exray.pipeline.scan import Pipeline
from exray.pipeline.scan_cache import WAITING
from exray.pipeline.settings import ScanSettings
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict
from exray.scanners.base import Scanner, ScannerResult


class FindsNothing(Scanner):
    def scan(self, classifier, samples, progress=None):
        del classifier, samples, progress
        return ScannerResult(triggers=(), num_candidates=1, flags=False)


class InMemory(SingleModelDataset):
    def __init__(self, path, classifier, samples):
        super().__init__(name="memory", model=path, model_id="m")
        self.loaded = LoadedModel(classifier=classifier, samples=samples, architecture="tiny")

    def load(self, model_id):
        del model_id
        return self.loaded

    def fingerprint(self):
        return ""


class Lines:
    """Progress that keeps what it shows."""

    def __init__(self):
        self.texts = []

    @contextmanager
    def shown(self):
        yield

    def start(self, model_id):
        self.texts.append(f"start {model_id}")

    def stage(self, name, done, total):
        del done, total
        self.texts.append(name)

    def put_off(self):
        self.texts.append("put off")

    def finish(self, text):
        self.texts.append(text)


@pytest.fixture
def run(tmp_path, trojaned, colour_samples):
    settings = ScanSettings(
        min_clean_accuracy=0.5,
        min_class_accuracy=0.5,
        min_images_per_class=1,
        samples_per_class=None,
        misclassified="drop",
        probability_without_triggers=0.1,
        temperature="fitted",
    )
    scans = []
    run = ScanRun(
        source=InMemory(tmp_path / "m.pt", trojaned, colour_samples),
        pipeline=Pipeline(
            scanner=FindsNothing(), judge=KeepAll(), settings=settings, device=torch.device("cpu")
        ),
        labels=RunLabels(run_id="r"),
        store=ResultStore(tmp_path / "run"),
        on_scan=scans.append,
        progress=Lines(),
    )
    return run, scans


def test_a_model_is_scanned_once_and_then_read(run):
    run, scans = run
    run.scan(["m"])
    run.scan(["m"])
    assert [scan.record.verdict for scan in scans] == [Verdict.CLEAN] * 2
    assert run.progress.texts[-1] == "m: already scanned, clean"
    assert any(text.startswith("m: clean, 0 of 0 triggers") for text in run.progress.texts)


def test_a_failed_model_is_told_with_its_reason_and_tried_again(run, trojaned):
    run, scans = run
    trojaned.network.linear = torch.nn.Linear(5, 3)
    for _ in range(2):
        run.scan(["m"])
        assert run.progress.texts[-1].startswith("m: failed: ")
    assert [scan.record.status for scan in scans] == ["failed", "failed"]


def test_a_model_that_another_process_scans_is_put_off_and_waited_for(run):
    run, scans = run
    lock = run.store.at_work("m", wait=False)
    with ThreadPoolExecutor(1) as pool:
        with lock:
            ended = pool.submit(run.scan, ["m"])
            while WAITING not in run.progress.texts:
                time.sleep(0.01)
            assert scans == []
        ended.result(timeout=60)
    assert "put off" in run.progress.texts
    assert len(scans) == 1


def test_workers_of_one_session_try_a_failed_model_once(run, trojaned):
    run, scans = run
    trojaned.network.linear = torch.nn.Linear(5, 3)
    with run.store.session().joined(["m"]):  # another worker is at the run
        run.scan(["m"])
        run.scan(["m"])
    assert run.progress.texts[-1] == "m: already scanned, failed"
    run.scan(["m"])  # alone again
    assert run.progress.texts[-1].startswith("m: failed: ")
    assert len(scans) == 3


def test_a_model_whose_process_dies_is_begun_again_so_often_and_then_failed(run):
    run, scans = run
    session = run.store.session()
    with session.joined(["m"]):
        for _ in range(run.retries + 1):
            session.begin("m")  # by a process that died
        run.scan(["m"])
        assert "died 3 times" in scans[-1].record.error_line
        session.settle("m", failed=False)
        session.begin("m")
        run.scan(["m"])
    assert [scan.record.status for scan in scans] == ["failed", "done"]


def test_an_interrupted_scan_counts_as_no_death(run, monkeypatch):
    run, _ = run

    def interrupted(*arguments):
        del arguments
        raise KeyboardInterrupt

    monkeypatch.setattr("exray.pipeline.runner.scan_model", interrupted)
    session = run.store.session()
    with session.joined(["m"]):
        with pytest.raises(KeyboardInterrupt):
            run.scan(["m"])
        assert session.attempts("m").begun == 0


def test_a_full_disk_ends_the_run_and_leaves_no_record(run, monkeypatch):
    run, scans = run

    def full(path, content):
        del content
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("exray.results.store.write_synced", full)
    with pytest.raises(StorageError, match=r"run/m cannot be written: No space left"):
        run.scan(["m"])
    assert scans == []
    assert run.store.model_ids() == []
    assert not list(run.store.root.glob(".tmp-*"))
