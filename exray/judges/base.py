"""The interface of judges, and the judgement they return."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.rules.base import Decision, check_score
from exray.rules.calibration_facts import Facts
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Whether one trigger is natural or injected, with the measurements behind that verdict.

    Args:
        is_injected: The verdict on this trigger.
        score: Evidence for injected, in [0, 1]; 0.5 or more exactly when ``is_injected``. A judge
            that was not calibrated returns a rank, not a probability.
        reason: The verdict in one sentence, with the numbers it rests on.
        measurements: Every number that was measured, by name.
        thresholds: The thresholds that the measurements were compared with, by name.
        tensors: What a report may draw, by name (the masks, for one).

    Raises:
        ValueError: If the score lies outside [0, 1] or contradicts ``is_injected``.
    """

    is_injected: bool
    score: float
    reason: str
    measurements: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_score(self.score, is_injected=self.is_injected)

    @classmethod
    def of(cls, decision: Decision, *, tensors: Mapping[str, Tensor]) -> "Judgement":
        """A rule's decision on one trigger, with what a report may draw of it.

        Args:
            decision: The rule's verdict.
            tensors: By name.
        """
        return cls(**vars(decision), tensors=tensors)


@dataclass(frozen=True, kw_only=True)
class JudgedTrigger:
    """A trigger with the judgement on it.

    Args:
        trigger: What the scanner inverted.
        judgement: What the judge says about it.
    """

    trigger: InvertedTrigger
    judgement: Judgement


Progress = Callable[[str, int, int], None]
"""Called with the stage's name, the number of finished steps and the total number of steps."""


class Judge(ABC):
    """Tells natural triggers from injected ones. Sees no ground truth."""

    @abstractmethod
    def judge(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> list[Judgement]:
        """One judgement per trigger, in their order."""

    def judged(
        self, classifier: Classifier, samples: SampleSet, triggers: Sequence[InvertedTrigger]
    ) -> tuple[JudgedTrigger, ...]:
        """The triggers, each with its judgement.

        Args:
            classifier: The classifier that the triggers were inverted on.
            samples: Its clean samples.
            triggers: What a scanner found.
        """
        judgements = self.judge(classifier, samples, triggers)
        pairs = zip(triggers, judgements, strict=True)
        return tuple(JudgedTrigger(trigger=one, judgement=judgement) for one, judgement in pairs)

    def check(self, classifier: Classifier, samples: SampleSet) -> None:
        """Refuses a classifier that this judge cannot judge, before triggers are inverted.

        By default none is refused.

        Args:
            classifier: The classifier to be scanned.
            samples: Its clean samples, at least one.

        Raises:
            ValueError: If the judge cannot judge this classifier.
        """
        del classifier, samples

    def fingerprint(self) -> str:
        """Hash of the files that the judgements follow from; by default empty, for no file."""
        return ""

    def for_scanner(self, scanner: str) -> "Judge":
        """The judge as it judges a scanner's triggers; by default the same for all.

        Args:
            scanner: The scanner's name in ``conf/scanner``.

        Raises:
            ValueError: If a file that it then decides by is missing.
        """
        del scanner
        return self

    def with_progress(self, progress: Progress | None) -> "Judge":
        """The judge as it reports how far it is; by default it reports nothing.

        Args:
            progress: Called with the stage's name, the steps done and the steps in all.
        """
        del progress
        return self

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know about its judgements, one sentence each; by default nothing."""
        return ()

    def calibration_facts(self, judgements: Sequence[Judgement] = ()) -> Facts:
        """What its probabilities rest on; by default nothing, since a score is a rank.

        Args:
            judgements: Of the model's triggers.
        """
        del judgements
        return {}

    @property
    def probability_without_triggers(self) -> float | None:
        """Probability that a model without any trigger is trojaned; by default None, unknown."""
        return None


class LayerJudge(Judge):
    """A judge that compares activations at one layer of the classifier.

    Args:
        layer: Rule or module path at which the network is cut.
    """

    def __init__(self, *, layer: str) -> None:
        self.layer = layer

    def check(self, classifier: Classifier, samples: SampleSet) -> None:
        """Refuses a classifier that cannot be cut at the layer.

        Args:
            classifier: The classifier to be scanned.
            samples: Its clean samples, at least one.

        Raises:
            LayerNotFoundError: If the network has no such layer.
            ValueError: If the network cannot be cut there.
        """
        self.split(classifier, samples)

    def split(self, classifier: Classifier, samples: SampleSet) -> SplitClassifier:
        """The classifier, cut at the layer.

        Args:
            classifier: The classifier to be scanned.
            samples: Its clean samples, at least one.
        """
        return SplitClassifier.of(classifier, self.layer, samples.images)


def absence(samples: SampleSet, trigger: InvertedTrigger) -> str:
    """Why a trigger cannot be compared with images of its two classes; empty where it can.

    A scanner may lead to a class of which the network gets no image right.

    Args:
        samples: Clean images that the classifier gets right.
        trigger: From a victim class to a target class.
    """
    for index in (trigger.victim_class, trigger.target_class):
        if not len(samples.of_class(index)):
            return f"class {index} has no image that the classifier gets right"
    return ""
