"""Models that load, fail, hang or kill their process, as their names say, and note each time."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from exray.datasets.base import LoadedModel, ModelDataset
from exray.images.samples import SampleSet
from exray.judges.baselines.no_judge import KeepAll
from exray.models.classifier import Classifier, Preprocessing
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.runner import ScanRun
from exray.pipeline.scan import Pipeline
from exray.pipeline.settings import ScanSettings
from exray.results.store import ResultStore
from exray.scanners.base import Scanner, ScannerResult


class FindsNothing(Scanner):
    """Answers at once."""

    def scan(self, classifier, samples, progress=None):
        del classifier, samples, progress
        return ScannerResult(triggers=(), num_candidates=1, flags=False)


class ScriptedModels(ModelDataset):
    """``fail-N`` cannot be loaded, ``hang-N`` never ends, ``die-N`` kills its process N times.

    ``slow-N`` takes N seconds.
    """

    name = "scripted"

    def __init__(self, model_ids, log):
        self.ids = tuple(model_ids)
        self.log = Path(log)

    def model_ids(self):
        return self.ids

    def load(self, model_id):
        with self.log.open("ab", buffering=0) as file:
            file.write(f"{model_id}\n".encode())
        kind, _, count = model_id.partition("-")
        if kind == "fail":
            raise RuntimeError("no such layer")
        if kind == "hang":
            time.sleep(300)
        if kind == "slow":
            time.sleep(float(count))
        if kind == "die" and self.log.read_text().split().count(model_id) <= int(count):
            os.kill(os.getpid(), signal.SIGKILL)
        return LoadedModel(classifier=classifier(), samples=samples(), architecture="tiny")

    def model_file(self, model_id):
        return Path(model_id)

    def truth(self, model_id):
        del model_id

    def fingerprint(self):
        return ""


def classifier():
    """Tells three colours apart by their sums."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    network[-1].weight.data = 10 * torch.eye(3)
    network[-1].bias.data.zero_()
    return Classifier(network, Preprocessing(), num_classes=3, name="tiny")


def samples():
    """Two plain images of each of the three colours."""
    labels = torch.arange(3).repeat_interleave(2)
    images = torch.full((6, 3, 4, 4), 0.1)
    images[torch.arange(6), labels] = 0.7
    return SampleSet(images=images, labels=labels, class_names=("red", "green", "blue"))


@dataclass(frozen=True, kw_only=True)
class ScriptedRun:
    """Makes a worker's run of such models; pickled."""

    model_ids: tuple[str, ...]
    folder: Path
    retries: int = 2

    def __call__(self, index, progress, on_scan=lambda _: None):
        del index
        settings = ScanSettings(
            min_clean_accuracy=0.5,
            min_class_accuracy=0.5,
            min_images_per_class=1,
            samples_per_class=None,
            misclassified="drop",
            probability_without_triggers=0.1,
            temperature="none",
        )
        pipeline = Pipeline(
            scanner=FindsNothing(), judge=KeepAll(), settings=settings, device=torch.device("cpu")
        )
        return ScanRun(
            source=ScriptedModels(self.model_ids, self.folder / "begun"),
            pipeline=pipeline,
            labels=RunLabels(run_id="r"),
            store=ResultStore(self.folder / "run"),
            on_scan=on_scan,
            progress=progress,
            retries=self.retries,
        )
