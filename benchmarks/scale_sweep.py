"""A sweep of made-up models by real workers, some of which are killed, fail or hang."""

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from exray.datasets.base import LoadedModel, ModelDataset, Truth
from exray.images.samples import SampleSet
from exray.judges.baselines.no_judge import KeepAll
from exray.models.classifier import Classifier, Preprocessing
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.runner import RunProgress, ScanRun
from exray.pipeline.scan import Pipeline
from exray.pipeline.settings import ScanSettings
from exray.pipeline.worker_pool import PoolSettings, WorkerPool
from exray.results.collection import collect
from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore
from exray.scanners.base import Progress, Scanner, ScannerResult
from exray.triggers.base import InvertedTrigger
from exray.triggers.patch import PatchTrigger

LOG = "begun"
# What takes seconds to import, once for all workers, as a run of the command does.
PRELOAD = ("torch", "pandas", "exray.pipeline.runner", "exray.results.collection")
PATTERN = torch.ones(3, 4, 4)


@dataclass(frozen=True, kw_only=True)
class Fates:
    """What becomes of each model: by its name alone, so that every order gives the same table.

    Args:
        failing: Share of models that cannot be loaded.
        hanging: Share that never ends.
        seconds: Median time of a scan; times are lognormal, one in a hundred takes eight times it.
    """

    failing: float
    hanging: float
    seconds: float

    def of(self, model_id: str) -> str:
        """``fails``, ``hangs`` or ``is scanned``."""
        share = random.Random(f"fate {model_id}").random()
        if share < self.failing:
            return "fails"
        return "hangs" if share < self.failing + self.hanging else "is scanned"

    def seconds_of(self, model_id: str) -> float:
        """How long its scan takes."""
        return self.seconds * random.Random(f"time {model_id}").lognormvariate(0.0, 0.9)


class FatedScanner(Scanner):
    """Takes its time and makes up to three triggers up from the model's name."""

    def __init__(self, fates: Fates) -> None:
        self.fates = fates

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """Triggers that are the same every time."""
        del samples, progress
        time.sleep(self.fates.seconds_of(classifier.name))
        stream = random.Random(f"triggers {classifier.name}")
        triggers = tuple(
            InvertedTrigger(
                trigger=PatchTrigger(mask=torch.ones(4, 4), pattern=PATTERN),
                victim_class=0,
                target_class=1,
                asr=round(stream.random(), 3),
                target_probability=0.9,
                source="scale",
            )
            for _ in range(stream.randrange(4))
        )
        return ScannerResult(triggers=triggers, num_candidates=6, flags=bool(triggers))


class FatedModels(ModelDataset):
    """Models that fail, hang or load, and note each time they are begun."""

    name = "fated"

    def __init__(self, ids: Sequence[str], fates: Fates, log: Path) -> None:
        self.ids = tuple(ids)
        self.fates = fates
        self.log = log

    def model_ids(self) -> tuple[str, ...]:
        """All of them."""
        return self.ids

    def load(self, model_id: str) -> LoadedModel:
        """A network that tells three colours apart, or the model's fate."""
        with self.log.open("ab", buffering=0) as file:
            file.write(f"{model_id}\n".encode())
        fate = self.fates.of(model_id)
        if fate == "fails":
            raise RuntimeError("a made-up failure")
        if fate == "hangs":
            time.sleep(3600)
        network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
        linear = network[-1]
        assert isinstance(linear, nn.Linear)
        linear.weight.data = 10 * torch.eye(3)
        linear.bias.data.zero_()
        classifier = Classifier(network, Preprocessing(), num_classes=3, name=model_id)
        return LoadedModel(classifier=classifier, samples=_samples(), architecture="tiny")

    def model_file(self, model_id: str) -> Path:
        """A file that is not there."""
        return Path(model_id)

    def truth(self, model_id: str) -> Truth | None:
        """None: nothing is counted here."""
        del model_id
        return None

    def fingerprint(self) -> str:
        """Nothing: no file is read."""
        return ""


@dataclass(frozen=True, kw_only=True)
class FatedRun:
    """Makes a worker's run; pickled."""

    ids: tuple[str, ...]
    fates: Fates
    folder: Path
    retries: int

    def __call__(self, index: int, progress: RunProgress) -> ScanRun:
        """The run of one worker."""
        del index
        torch.set_num_threads(1)
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
            scanner=FatedScanner(self.fates),
            judge=KeepAll(),
            settings=settings,
            device=torch.device("cpu"),
        )
        return ScanRun(
            source=FatedModels(self.ids, self.fates, self.folder / LOG),
            pipeline=pipeline,
            labels=RunLabels(run_id="scale"),
            store=ResultStore(self.folder / "run"),
            on_scan=ignore,
            progress=progress,
            retries=self.retries,
        )


class Killer:
    """Kills a random worker each time so many models more have their record.

    Args:
        store: Where the records go.
        share: Kills per model.
        seed: Of which worker.
    """

    def __init__(self, store: ResultStore, share: float, seed: int) -> None:
        self.store = store
        self.share = share
        self.stream = random.Random(seed)
        self.settled = 0
        self.kills = 0

    def count(self, scan: ModelScan) -> None:
        """Counts a settled model, and kills where it is time."""
        del scan
        self.settled += 1
        if self.settled * self.share >= self.kills + 1:
            workers = [w.state for w in self.store.session().workers() if w.is_alive]
            at_work = [state for state in workers if state.scans]
            if at_work:
                process = int(self.stream.choice(at_work).worker.rpartition(":")[2])
                os.kill(process, signal.SIGKILL)
                self.kills += 1


class Quiet:
    """Progress that shows nothing."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows nothing."""
        yield

    def start(self, model_id: str) -> None:
        """Shows nothing."""

    def stage(self, name: str, done: int, total: int) -> None:
        """Shows nothing."""

    def put_off(self) -> None:
        """Shows nothing."""

    def finish(self, text: str) -> None:
        """Shows nothing."""


def ignore(scan: ModelScan) -> None:
    """Does nothing with a scan."""
    del scan


def _told_wrong(
    frame: pd.DataFrame, ids: Sequence[str], fates: Fates, time_limit: float | None
) -> int:
    """How many records are wrong; each is printed."""
    wrong = wrong_records(frame, ids, fates, time_limit)
    for model_id, told in wrong.items():
        print(f"{model_id} {fates.of(model_id)}, and its record says: {told}", file=sys.stderr)
    return len(wrong)


def swept(
    folder: Path,
    ids: Sequence[str],
    fates: Fates,
    *,
    workers: int,
    time_limit: float | None,
    kill_share: float,
    seed: int,
) -> dict[str, object]:
    """Sweeps the models with kills and holds what is stored to the models' fates.

    Returns:
        One row: what was begun, lost, repeated and killed, and how long it took.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store = ResultStore(folder / "run")
    killer = Killer(store, kill_share, seed)
    pool = WorkerPool(
        # a model is at risk of a kill for as long as it hangs, and none is to be given up for it
        build=FatedRun(ids=tuple(ids), fates=fates, folder=folder, retries=99),
        store=store,
        settings=PoolSettings(workers=workers, time_limit=time_limit, preload=PRELOAD),
        on_scan=killer.count,
        progress=Quiet(),
    )
    start = time.monotonic()
    pool.scan(ids, ids)
    seconds = time.monotonic() - start
    frame = collect(store, expected=ids).frame.set_index("model_id")
    begun = Counter((folder / LOG).read_text().split())
    told = Counter(map(fates.of, ids))
    work = sum(fates.seconds_of(one) for one in ids if fates.of(one) == "is scanned")
    work += told["hangs"] * (time_limit or 0.0)
    return {
        "models": len(ids),
        "workers": workers,
        "kills": killer.kills,
        "failing": told["fails"],
        "hanging": told["hangs"],
        "lost": len(set(ids) - set(frame.index)),
        "wrong": _told_wrong(frame, ids, fates, time_limit),
        "begun": sum(begun.values()),
        "begun_again": sum(begun.values()) - len(ids),
        "seconds": round(seconds, 1),
        "busy_share": round(work / workers / seconds, 3),
    }


def wrong_records(
    frame: pd.DataFrame, ids: Sequence[str], fates: Fates, time_limit: float | None
) -> dict[str, str]:
    """What the records say of models that had another fate, by model."""
    expected = {
        "fails": "a made-up failure",
        "hangs": f"took longer than the time limit of {time_limit or 0.0:g} s",
        "is scanned": "",
    }
    told = {model_id: str(frame.loc[model_id, "error_line"]) for model_id in ids}
    return {one: line for one, line in told.items() if line != expected[fates.of(one)]}


def table_of(folder: Path) -> str:
    """The run's table without what differs from time to time."""
    frame: pd.DataFrame = collect(ResultStore(folder / "run")).frame
    return frame[[name for name in frame if "seconds" not in str(name)]].to_csv(index=False)


def _samples() -> SampleSet:
    """Two plain images of each of three colours."""
    labels = torch.arange(3).repeat_interleave(2)
    images = torch.full((6, 3, 4, 4), 0.1)
    images[torch.arange(6), labels] = 0.7
    return SampleSet(images=images, labels=labels, class_names=("red", "green", "blue"))
