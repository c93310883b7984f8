"""A run's models: scanned once, read from the store, or left to the process that scans them."""

from contextlib import contextmanager

import pytest
import torch

from exray.datasets.base import LoadedModel
from exray.datasets.single import SingleModelDataset
from exray.judges.baselines.no_judge import KeepAll
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.runner import ScanRun
from exray.pipeline.scan import Pipeline
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


def test_a_model_that_another_process_scans_is_put_off(run):
    run, scans = run
    with run.store.at_work("m", wait=False):
        assert not run._settle("m", wait=False)
    assert run.progress.texts[-1] == "put off"
    assert scans == []
