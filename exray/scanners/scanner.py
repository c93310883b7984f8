"""What a scanner is and what it answers."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from exray.data.samples import SampleSet
from exray.models.classifier import Classifier
from exray.triggers.trigger import InvertedTrigger

Progress = Callable[[str, int, int], None]
"""Called with the stage's name, the steps done and the steps in all."""


@dataclass(frozen=True, kw_only=True)
class ScanResult:
    """What a scanner found.

    Args:
        triggers: Those that met the scanner's bar, strongest first.
        num_candidates: (victim, target) pairs that were tried.
        flags: The scanner's own verdict, without exray: True for trojaned.
    """

    triggers: tuple[InvertedTrigger, ...]
    num_candidates: int
    flags: bool


class Scanner(ABC):
    """Inverts triggers. Sees no ground truth and changes none of its inputs."""

    @abstractmethod
    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScanResult:
        """Triggers that flip clean images of one class to another."""
