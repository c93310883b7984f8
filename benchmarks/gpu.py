"""The paper's size on one GPU, in one command of under eight minutes.

A ResNet-50 of 20 classes at 224 pixels, trojaned by hand: masks of 16 triggers over the paper's 400
epochs and the default inversion of all victim classes, in float32, in bfloat16, and with the head
compiled. The paper's figures: 12 seconds a trigger for the masks, 432 a model for the inversion.
What bfloat16 gives is held to float32: it finds the planted pair, its triggers have the success on
the float32 network that it says, and its masks differ little.

Run: python benchmarks/gpu.py             (a CUDA device; stops beginning parts after 400 s)
     python benchmarks/gpu.py --small     (any device, a small network: to see that it runs)
Prints a table and writes benchmarks/results/gpu.json. A part that could not be begun in time, that
failed or whose result disagrees with float32's has a row that says so; the exit status is 1 then.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import benchmark_models
import result_tables
import torch
from bare_masks import BareLoop
from hydra import compose, initialize_config_dir
from jaxtyping import Float
from rich.console import Console
from timing import facts, seconds_of
from torch import Tensor

from exray.app.config import register
from exray.app.instantiate import built
from exray.judges.differencing.exray_judge import ExrayJudge
from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair
from exray.judges.differencing.head_runner import HeadSettings
from exray.models.classifier import Precision
from exray.models.splitting.split_classifier import SplitClassifier
from exray.presets import conf_folder
from exray.scanners.base import Scanner
from exray.scanners.inversion.measurement import measure
from exray.triggers.base import InvertedTrigger

RESULTS = Path(__file__).parent / "results" / "gpu.json"
SEED = 0
PAPER = {"masks": 12.0, "inversion": 432.0}  # seconds a trigger, seconds a model
WAYS = ("float32", "bfloat16", "bfloat16, compiled")
LAST_START = 400.0  # seconds after which no further part begins
MASK_TOLERANCE = 0.05  # mean difference of masks, which lie in [0, 1]
ASR_TOLERANCE = 0.1  # one of ten images
MIN_ASR = 0.9  # of the planted pair's trigger


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
    samples=5,
    triggers=2,
    epochs=50,
    whole_epochs=400,
    words=("scanner=abs",),
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A part's time, and how what it gave compares with float32's.

    Args:
        seconds: A trigger's masks, or a model's inversion.
        agreement: In words; empty for float32 itself.
        agrees: Whether it does, within the tolerances.
    """

    seconds: float
    agreement: str = ""
    agrees: bool = True


class Subject:
    """The classifier on the device, with the parts of the configuration.

    Args:
        size: How large everything is.
        device: Where it runs.
    """

    def __init__(self, size: Size, device: torch.device) -> None:
        self.size = size
        planted = benchmark_models.planted(
            size.architecture,
            num_classes=size.classes,
            pixels=size.pixels,
            images_per_class=size.samples,
        )
        self.device = device
        self.classifier = planted.classifier.around(planted.classifier.network.to(device))
        self.samples = planted.samples.to(device)
        self.injected = planted.injected
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            self.config = compose("config", overrides=list(size.words))
        self._masks: Float[Tensor, "pairs c"] | None = None  # float32's

    def masks(self, way: str) -> Measured:
        """Seconds a trigger of the paper's epochs, both masks."""
        size, settings = self.size, built(self.config.judge.engine, ExrayJudge).mask
        split = SplitClassifier.of(self.classifier, "middle", self.samples.images)
        pairs = FeaturePairs(*self._pairs(split))
        settings = replace(
            settings,
            epochs=10_000,  # no pair ends before the others
            patience=10_000,
            compute=_compute(settings.compute, way),
        )
        loop = BareLoop(split.head, pairs, settings)
        loop.epoch()  # warms up, compiles
        seconds = seconds_of(lambda: [loop.epoch() for _ in range(size.epochs)], self.device)
        masks = loop.optimization.masks.detach()
        seconds = seconds / size.epochs * size.whole_epochs / size.triggers
        if way == "float32":
            self._masks = masks
            return Measured(seconds=seconds)
        if self._masks is None:
            return Measured(seconds=seconds, agreement="float32's are missing", agrees=False)
        difference = float((masks - self._masks).abs().mean())
        return Measured(
            seconds=seconds,
            agreement=f"masks differ by {difference:.3f} on average",
            agrees=difference <= MASK_TOLERANCE,
        )

    def _pairs(self, split: SplitClassifier) -> tuple[Tensor, list[SetPair]]:
        """The features of the planted victim and target, and all triggers' pairs of the two."""
        victim, target = self.injected[0]
        sets = [self.samples.of_class(k)[: self.size.samples] for k in (victim, target)]
        pair = SetPair(
            first=tuple(range(len(sets[0]))),
            second=tuple(range(len(sets[0]), len(sets[0]) + len(sets[1]))),
            first_class=victim,
            second_class=target,
            one_to_one=False,
        )
        return split.cached_features(torch.cat(sets)), [pair] * (2 * self.size.triggers)

    def inversion(self, way: str) -> Measured:
        """Seconds a model of the scanner over all victim classes."""
        scanner = built(self.config.scanner.engine, Scanner)
        classifier = self.classifier.in_precision(_precision(way))
        triggers: list[InvertedTrigger] = []

        def scan() -> None:
            triggers.extend(scanner.scan(classifier, self.samples).triggers)

        seconds = seconds_of(scan, self.device)
        agreement, agrees = self.agreement(triggers)
        return Measured(seconds=seconds, agreement=agreement, agrees=agrees)

    def agreement(self, triggers: Sequence[InvertedTrigger]) -> tuple[str, bool]:
        """Whether triggers, in whatever precision they were found, hold on the float32 network.

        Args:
            triggers: As a scanner gave them.

        Returns:
            The comparison in words, and whether the planted pair is among them and every trigger
            has the success that it says.
        """
        rates = {}
        for one in triggers:
            images = self.samples.of_class(one.victim_class)
            quality = measure(self.classifier, one.trigger, images, one.target_class)
            rates[one.victim_class, one.target_class] = (quality.asr, abs(quality.asr - one.asr))
        planted = max((rates.get(pair, (0.0, 0.0))[0] for pair in self.injected), default=0.0)
        largest = max((difference for _, difference in rates.values()), default=0.0)
        text = (
            f"{len(rates)} pairs, the planted one's ASR in float32 {planted:.2f}, "
            f"all within {largest:.2f}"
        )
        return text, planted >= MIN_ASR and largest <= ASR_TOLERANCE


def _compute(compute: HeadSettings, way: str) -> HeadSettings:
    return replace(compute, precision=_precision(way), compile="compiled" in way)


def _precision(way: str) -> Precision:
    return "float32" if way == "float32" else "bfloat16"


def row_of(
    part: str, way: str, action: Callable[[str], Measured], left: float
) -> dict[str, object]:
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
        measured = action(way)
    except Exception as error:  # the other rows are worth having
        note = " ".join(str(error).split())[:200] or type(error).__name__
        return row | {"seconds": None, "speedup_over_paper": None, "note": f"failed: {note}"}
    note = measured.agreement if measured.agrees else f"disagrees: {measured.agreement}"
    speedup = round(PAPER[part] / measured.seconds, 2)
    seconds = round(measured.seconds, 3)
    return row | {"seconds": seconds, "speedup_over_paper": speedup, "note": note}


def main() -> int:
    """Measures all parts; 2 without a CUDA device, 1 if a part failed or disagrees."""
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
    return int(any(str(row["note"]).startswith(("failed", "disagrees")) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
