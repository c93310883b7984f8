"""What a scanner is and what it answers."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.triggers.base import InvertedTrigger

Progress = Callable[[str, int, int], None]
"""Called with the stage's name, the steps done and the steps in all."""


@dataclass(frozen=True, kw_only=True)
class ScannerResult:
    """What a scanner found.

    Args:
        triggers: Those that met the scanner's bar, strongest first.
        num_candidates: Candidate triggers whose inversion was begun, after any pre-screen or probe:
            one a (victim, target) pair, one a target where triggers are universal, one a victim and
            round where the search is untargeted; of a file, the triggers in it.
        flags: The scanner's own verdict, without exray: True for trojaned.
        score: What that verdict rests on, higher for trojaned: ABS's greatest ASR, Neural
            Cleanse's greatest anomaly index; None where there is none.
        inconclusive: Why the scanner can say nothing, or why finding nothing says nothing; empty
            where it can.
    """

    triggers: tuple[InvertedTrigger, ...]
    num_candidates: int
    flags: bool
    score: float | None = None
    inconclusive: str = ""


class Scanner(ABC):
    """Inverts triggers. Sees no ground truth and changes none of its inputs."""

    @abstractmethod
    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """Triggers that flip clean images of one class to another."""


class FileScanner(Scanner):
    """A scanner whose answer also follows from files, which may change under one name."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of those files, so that changed files make another run and another cache entry."""


def steps_reporter(progress: Progress | None, total: int) -> Callable[[], None]:
    """Something to call after each step of an inversion, which counts them for ``progress``."""
    steps = count(1)

    def report() -> None:
        if progress is not None:
            progress("inversion", next(steps), total)

    return report
