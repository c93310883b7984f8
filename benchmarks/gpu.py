"""The paper's size on one GPU, in one command of under eight minutes.

A ResNet-50 of 20 classes at 224 pixels, of random weights: masks of 16 triggers over the paper's
400 epochs and the default inversion of all victim classes, in float32, under bfloat16 autocast, and
with the head compiled. The paper's figures: 12 seconds a trigger for the masks, 432 a model for the
inversion. Constraints of random weights are never met, so masks cost the most they can.

Run: python benchmarks/gpu.py             (a CUDA device; stops beginning parts after 400 s)
     python benchmarks/gpu.py --small     (any device, a small network: to see that it runs)
Prints a table and writes benchmarks/results/gpu.json. A part that could not be begun in time, or
that failed, has a row that says so.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import result_tables
import torch
from bare_masks import BareLoop
from hydra import compose, initialize_config_dir
from rich.console import Console
from timing import facts, seconds_of
from torch import nn

from exray.app.config import register
from exray.app.instantiate import built
from exray.images.samples import SampleSet
from exray.judges.differencing.exray_judge import ExrayJudge
from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair
from exray.models.architectures.registry import build
from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.split_classifier import SplitClassifier
from exray.presets import conf_folder
from exray.scanners.base import Scanner

RESULTS = Path(__file__).parent / "results" / "gpu.json"
SEED = 0
PAPER = {"masks": 12.0, "inversion": 432.0}  # seconds a trigger, seconds a model
WAYS = ("float32", "bfloat16", "bfloat16, compiled")
LAST_START = 400.0  # seconds after which no further part begins


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large everything is.

    Args:
        architecture: Of the classifier.
        pixels: Side of its images.
        classes: Its classes.
        samples: Images per class.
        triggers: How many are differenced at once; each has two masks.
        epochs: Of the masks that are timed.
        whole_epochs: Of the paper's masks, to which the time is scaled.
        words: Of the scanner's configuration.
    """

    architecture: str
    pixels: int
    classes: int
    samples: int
    triggers: int
    epochs: int
    whole_epochs: int
    words: tuple[str, ...]


PAPERS = Size(
    architecture="torchvision/resnet50",
    pixels=224,
    classes=20,
    samples=10,
    triggers=16,
    epochs=100,
    whole_epochs=400,
    words=("scanner=abs",),
)
SMALL = Size(
    architecture="torchvision/resnet18",
    pixels=32,
    classes=3,
    samples=2,
    triggers=2,
    epochs=2,
    whole_epochs=400,
    words=("scanner=abs", "debug=fast"),
)


class Subject:
    """The classifier on the device, with the parts of the configuration.

    Args:
        size: How large everything is.
        device: Where it runs.
    """

    def __init__(self, size: Size, device: torch.device) -> None:
        torch.manual_seed(SEED)
        self.size = size
        self.device = device
        network = build(size.architecture, num_classes=size.classes).to(device).eval()
        preprocessing = Preprocessing()
        self.classifier = Classifier(
            network, preprocessing, num_classes=size.classes, name=size.architecture
        )
        count = size.classes * size.samples
        images = torch.rand(count, 3, size.pixels, size.pixels, device=device)
        labels = torch.arange(size.classes, device=device).repeat_interleave(size.samples)
        names = tuple(f"class {index}" for index in range(size.classes))
        self.samples = SampleSet(images=images, labels=labels, class_names=names)
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            self.config = compose("config", overrides=list(size.words))

    def masks(self, way: str) -> float:
        """Seconds a trigger of the paper's epochs, both masks."""
        size = self.size
        split = SplitClassifier(self.classifier, "middle", example=self.samples.images[:2])
        features = split.cached_features(self.samples.images[: 2 * size.samples])
        answers = torch.bincount(split.head(features).argmax(dim=1), minlength=size.classes)
        first, second = answers.argsort()[:2].tolist()
        pair = SetPair(
            first=tuple(range(size.samples)),
            second=tuple(range(size.samples, 2 * size.samples)),
            first_class=first,
            second_class=second,
            one_to_one=False,
        )
        pairs = FeaturePairs(features, [pair] * (2 * size.triggers))
        settings = built(self.config.judge.engine, ExrayJudge).mask
        head = split.head
        if "compiled" in way:
            head = cast("nn.Module", torch.compile(head))
        loop = BareLoop(head, pairs, replace(settings, epochs=10_000, patience=10_000))
        with _precision(way, self.device):
            loop.epoch()  # warms up, compiles
            seconds = seconds_of(lambda: [loop.epoch() for _ in range(size.epochs)], self.device)
        return seconds / size.epochs * size.whole_epochs / size.triggers

    def inversion(self, way: str) -> float:
        """Seconds a model of the scanner over all victim classes."""
        scanner = built(self.config.scanner.engine, Scanner)
        with _precision(way, self.device):
            return seconds_of(lambda: scanner.scan(self.classifier, self.samples), self.device)


@contextlib.contextmanager
def _precision(way: str, device: torch.device) -> Iterator[None]:
    if way == "float32":
        yield
        return
    with torch.autocast(device.type, torch.bfloat16):
        yield


def row_of(part: str, way: str, action: Callable[[str], float], left: float) -> dict[str, object]:
    """One row: seconds beside the paper's, or why there are none.

    Args:
        part: ``masks`` or ``inversion``.
        way: Precision, and whether the head is compiled.
        action: Measures it.
        left: Seconds in which parts may still begin.
    """
    row: dict[str, object] = {"part": part, "way": way, "paper_seconds": PAPER[part]}
    if left <= 0:
        return row | {"seconds": None, "speedup_over_paper": None, "note": "not begun in time"}
    try:
        seconds = action(way)
    except Exception as error:  # the other rows are worth having
        note = " ".join(str(error).split())[:200] or type(error).__name__
        return row | {"seconds": None, "speedup_over_paper": None, "note": f"failed: {note}"}
    speedup = round(PAPER[part] / seconds, 2)
    return row | {"seconds": round(seconds, 3), "speedup_over_paper": speedup, "note": ""}


def main() -> int:
    """Measures all parts; 2 without a CUDA device, 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a small network, on any device")
    options = parser.parse_args()
    if not (options.small or torch.cuda.is_available()):
        sys.stderr.write("gpu.py: needs a CUDA device; --small runs on any\n")
        return 2
    register()
    start = time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    subject = Subject(SMALL if options.small else PAPERS, device)
    parts = {"masks": subject.masks, "inversion": subject.inversion}
    rows = []
    for way in WAYS:
        for part, action in parts.items():
            if part == "inversion" and "compiled" in way:
                continue  # compiled heads are the masks'
            left = start + LAST_START - time.monotonic()
            rows.append(row_of(part, way, action, left))
    if options.small:  # beside the paper's size these seconds mean nothing
        keys = ("part", "way", "seconds", "note")
        rows = [{key: row[key] for key in keys} for row in rows]
    Console(width=160).print(result_tables.table("gpu", rows))
    if not options.small:
        name = torch.cuda.get_device_name(device)
        result_tables.write(RESULTS, {**facts(device, SEED), "gpu": name, "rows": rows})
    return int(any(str(row["note"]).startswith("failed") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
