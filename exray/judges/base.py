"""What a judge is and what it answers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Whether one trigger is natural or injected, and everything behind that answer.

    Args:
        is_injected: The verdict on this trigger.
        score: How much speaks for injected, in [0, 1]; 0.5 or more exactly when ``is_injected``.
            A judge that was not calibrated gives a rank, not a probability.
        reason: The verdict in one sentence, with the numbers it rests on.
        measurements: Every number measured on the way, by name.
        thresholds: The thresholds that the measurements were held against, by name.
        tensors: What a report may draw, by name (the masks, for one).
    """

    is_injected: bool
    score: float
    reason: str
    measurements: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise ValueError(f"score must lie in [0, 1]; got {self.score}")


class Judge(ABC):
    """Tells natural triggers from injected ones. Sees no ground truth."""

    @abstractmethod
    def judge(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> list[Judgement]:
        """One judgement for each trigger, in their order."""
