"""The scanners' interface: the one file to read before adding a scanner.

A scanner is a class in ``exray/scanners`` with ``scan``; its values lie in ``conf/scanner``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.triggers.base import InvertedTrigger

Progress = Callable[[str, int, int], None]
"""Called with the stage's name, the number of finished steps and the total number of steps."""


@dataclass(frozen=True, kw_only=True)
class SearchReport:
    """One of the searches of a scan: what it looked for, how hard, and what came of it.

    Args:
        name: What was looked for, the source of its triggers.
        num_candidates: Candidate triggers whose inversion was started.
        num_found: Triggers that count.
        best_strength: How far the strongest trigger pushed held-out images past its target, in
            the units of tempered logits, of which a clean image's margin has about 8; None if it
            gave no finite number.
        image_passes: Images that went forward and backward through the classifier.
        seconds: Wall time.
        inconclusive: Why finding nothing means nothing; empty if it means something.
    """

    name: str
    num_candidates: int
    num_found: int
    best_strength: float | None
    image_passes: int
    seconds: float
    inconclusive: str = ""


@dataclass(frozen=True, kw_only=True)
class ScannerResult:
    """The triggers that a scanner inverted, and its own verdict.

    Args:
        triggers: Triggers that met the scanner's threshold, strongest first.
        num_candidates: Candidate triggers whose inversion was started, after any pre-screen or
            probe: one per (victim, target) pair; one per target if triggers are universal; one per
            victim and round if the search is untargeted; the triggers in a file.
        flags: The scanner's own verdict, without exray: True for trojaned.
        score: The number that the verdict is based on, higher for trojaned: ABS's greatest ASR,
            Neural Cleanse's greatest anomaly index; None if there is none.
        inconclusive: Why the scanner can say nothing, or why finding no trigger means nothing;
            empty if it can.
        searches: What was looked for, and how hard; empty for scanners with a single search.
    """

    triggers: tuple[InvertedTrigger, ...]
    num_candidates: int
    flags: bool
    score: float | None = None
    inconclusive: str = ""
    searches: tuple[SearchReport, ...] = ()


class Scanner(ABC):
    """Inverts triggers. Sees no ground truth and changes none of its inputs."""

    @abstractmethod
    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """Inverts triggers that flip clean images of one class to another.

        Args:
            classifier: The classifier to scan.
            samples: Clean images.
            progress: Called after each step.
        """


class FileScanner(Scanner):
    """A scanner whose result also depends on files, which may change under one name."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of these files, so that changed files make another run and another cache entry."""


def steps_reporter(progress: Progress | None, total: int) -> Callable[[], None]:
    """A function to call after each step of an inversion, which counts them for ``progress``.

    Args:
        progress: Called with the number of steps; None for no reports.
        total: Total number of steps.
    """
    steps = count(1)

    def report() -> None:
        if progress is not None:
            progress("inversion", next(steps), total)

    return report
