"""A scanner and a judge that make their answers up and note each time they are asked."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from exray.images.samples import SampleSet
from exray.judges.base import Judge, Judgement
from exray.models.classifier import Classifier
from exray.scanners.base import Progress, Scanner, ScannerResult
from exray.triggers.base import InvertedTrigger
from exray.triggers.patch import PatchTrigger

LOG = "work.log"  # in the working directory


def fingerprint(classifier: Classifier) -> str:
    """A classifier's name for the log: a hash of its weights."""
    digest = hashlib.sha256()
    for tensor in classifier.network.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def noted(unit: str) -> None:
    """Adds the beginning of a unit of work to the log, whole even if several processes write."""
    with Path(LOG).open("ab", buffering=0) as file:
        file.write(f"{unit}\n".encode())


class NotingScanner(Scanner):
    """Makes up two triggers from the weights, slowly, and notes each time it is asked.

    Takes the place of ``scanner=external``, whose other values it does not look at.
    """

    def __init__(self, *, triggers: str, min_asr: float, seconds: float) -> None:
        del triggers, min_asr
        self.seconds = seconds

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """Two patches that differ from model to model."""
        del progress
        name = fingerprint(classifier)
        noted(f"scan {name}")
        time.sleep(self.seconds)
        height, width = samples.images.shape[-2:]
        mask = torch.zeros(height, width)
        mask[:3, : 2 + int(name[0], 16) % 4] = 1.0
        trigger = PatchTrigger(mask=mask, pattern=torch.ones(3, height, width))
        shares = [int(digits, 16) / 255 for digits in (name[1:3], name[3:5])]
        triggers = tuple(
            InvertedTrigger(
                trigger=trigger,
                victim_class=victim,
                target_class=victim + 1,
                asr=share,
                target_probability=share,
                source=name,
            )
            for victim, share in enumerate(shares)
        )
        return ScannerResult(triggers=triggers, num_candidates=2, flags=True)


class NotingJudge(Judge):
    """Makes up scores from the weights and its name, slowly, and notes each time it is asked."""

    def __init__(self, *, name: str, seconds: float) -> None:
        self.name = name
        self.seconds = seconds

    def judge(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> list[Judgement]:
        """A score for each trigger that is the same every time."""
        del samples
        name = fingerprint(classifier)
        noted(f"judge {self.name} {name}")
        time.sleep(self.seconds)
        scores = [
            hashlib.sha256(f"{self.name}{name}{index}".encode()).digest()[0] / 255
            for index in range(len(triggers))
        ]
        return [
            Judgement(is_injected=s >= 0.5, score=s, reason=f"made up: {s:.2f}") for s in scores
        ]
