"""The interface of decision rules: from two masks' measurements to natural or injected."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from exray.rules.calibration_facts import Facts
from exray.rules.conditions import Condition, injected_score

CROSS = (
    "cross_victim_into_target",
    "cross_target_into_victim",
    "cross_victim_into_stamped",
    "cross_stamped_into_victim",
)


"""The four accuracies of equation (6), in its order: first M2 on V and T, then M1 on V and V+t."""


INJECTED = "injected: the trigger changes other features than those that tell the classes apart"


NATURAL = "natural: the trigger changes the features that tell the two classes apart"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A rule's verdict on one trigger's measurements.

    Args:
        is_injected: The verdict on the trigger.
        score: Evidence for injected, in [0, 1]; 0.5 or more exactly when ``is_injected``.
        reason: The verdict in one sentence, with the numbers it rests on.
        measurements: What the decision follows from, and what the rule derived from it.
        thresholds: What the measurements were compared with, by name.

    Raises:
        ValueError: If the score lies outside [0, 1] or contradicts ``is_injected``.
    """

    is_injected: bool
    score: float
    reason: str
    measurements: Mapping[str, float]
    thresholds: Mapping[str, float]

    def __post_init__(self) -> None:
        check_score(self.score, is_injected=self.is_injected)


def check_score(score: float, *, is_injected: bool) -> None:
    """Refuses a trigger's score that is out of range or contradicts its verdict.

    Args:
        score: Evidence for injected.
        is_injected: The verdict.

    Raises:
        ValueError: If the score lies outside [0, 1], or reaches 0.5 without the verdict injected,
            or the other way round.
    """
    if not 0 <= score <= 1:
        raise ValueError(f"score must lie in [0, 1]; got {score}")
    if is_injected != (score >= 0.5):
        raise ValueError(
            f"score must be 0.5 or more exactly when is_injected; got {score} with "
            f"is_injected={is_injected}"
        )


class DecisionRule(ABC):
    """From one trigger's measurements to natural or injected. Needs no torch."""

    @abstractmethod
    def decide(self, measurements: Mapping[str, float]) -> Decision:
        """The verdict on one trigger.

        Args:
            measurements: As ``ExrayJudge`` measures them.
        """

    def decide_model(
        self, rows: Sequence[Mapping[str, float]], targets: Sequence[int]
    ) -> list[Decision]:
        """The verdicts on all triggers of a model; here on each by itself.

        The highest score is the model's probability of being trojaned, so a rule that combines the
        triggers does it here.

        Args:
            rows: Measurements of each trigger.
            targets: Target class of each.
        """
        del targets
        return [self.decide(row) for row in rows]

    @property
    def needs_masks(self) -> bool:
        """Whether it decides on differenced triggers only; if not, the scanner's numbers do."""
        return True

    @property
    def uses_masks(self) -> bool:
        """Whether differencing a trigger can change its verdict."""
        return True

    @property
    def weighs_masks(self) -> bool:
        """Whether a verdict rests on the masks, rather than on what else differencing measures."""
        return True

    def weighs(self, feature: str) -> bool:
        """Whether a verdict rests on a measurement that is only taken where it is needed.

        Args:
            feature: Its name.
        """
        del feature
        return False

    def for_scanner(self, scanner: str) -> "DecisionRule":
        """The rule as it decides on a scanner's triggers; here the same for all.

        Args:
            scanner: Its name in ``conf/scanner``.
        """
        del scanner
        return self

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know about its verdicts, one sentence each; here nothing."""
        return ()

    def calibration_facts(self, rows: Sequence[Mapping[str, float]] = ()) -> Facts:
        """What its probabilities rest on; here nothing, since a score is a rank.

        Args:
            rows: Measurements of each of the model's triggers, as they were decided on.
        """
        del rows
        return {}

    def margin(self, measurements: Mapping[str, float]) -> float:
        """How far the verdict is from changing: here the score from one half.

        Args:
            measurements: As ``ExrayJudge`` measures them.
        """
        return self.decide(measurements).score - 0.5

    @abstractmethod
    def injects(self, measurements: Mapping[str, float]) -> bool:
        """Whether the trigger is injected, without the reason that ``decide`` composes.

        Args:
            measurements: As ``ExrayJudge`` measures them.
        """

    @property
    @abstractmethod
    def probability_without_triggers(self) -> float | None:
        """Probability that a model without any trigger is trojaned; None if the rule has none."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the file that the rule decides by; empty if its configuration says it all."""


class ThresholdRule(DecisionRule):
    """A rule that compares measurements with thresholds.

    Where a mask did not converge it is all ones, shares everything with the other and would count
    as natural; such a trigger stays injected, and the reason says so.
    """

    def decide(self, measurements: Mapping[str, float]) -> Decision:
        """The verdict on one trigger.

        Args:
            measurements: As ``ExrayJudge`` measures them.
        """
        unconverged = unconverged_pairs(measurements)
        if unconverged:
            is_injected, score = True, 0.5
            missing = " and ".join(unconverged)
            reason = f"injected by default: no mask exchanges {missing}, so nothing was compared"
        else:
            natural = self.natural(measurements)
            is_injected = not natural.holds
            score = injected_score(natural, threshold=min(self.thresholds.values()))
            meaning = INJECTED if is_injected else NATURAL
            reason = f"{meaning}; {self.numbers(measurements)}"
        return Decision(
            is_injected=is_injected,
            score=score,
            reason=reason,
            measurements=dict(measurements),
            thresholds=self.thresholds,
        )

    def margin(self, measurements: Mapping[str, float]) -> float:
        """How far the verdict is from changing; 0 where a mask did not converge.

        Args:
            measurements: As ``ExrayJudge`` measures them.
        """
        return 0.0 if unconverged_pairs(measurements) else self.natural(measurements).margin

    def injects(self, measurements: Mapping[str, float]) -> bool:
        """Whether the trigger is injected: its masks did not converge, or it is not natural.

        Args:
            measurements: As ``ExrayJudge`` measures them.
        """
        return bool(unconverged_pairs(measurements)) or not self.natural(measurements).holds

    @property
    def probability_without_triggers(self) -> float | None:
        """None: thresholds say nothing about models without triggers."""
        return None

    @property
    def fingerprint(self) -> str:
        """Empty: the thresholds are in the configuration."""
        return ""

    @property
    @abstractmethod
    def thresholds(self) -> dict[str, float]:
        """The thresholds, by the names of what they bound."""

    @abstractmethod
    def natural(self, measurements: Mapping[str, float]) -> Condition:
        """The condition that the trigger is natural.

        Args:
            measurements: As ``ExrayJudge`` measures them.
        """

    @abstractmethod
    def numbers(self, measurements: Mapping[str, float]) -> str:
        """The decisive measurements, in words.

        Args:
            measurements: As ``ExrayJudge`` measures them.
        """


def unconverged_pairs(measurements: Mapping[str, float]) -> list[str]:
    """The pairs of sets whose mask did not converge, in words; empty where both did.

    Args:
        measurements: As ``ExrayJudge`` measures them.

    Example:
        >>> unconverged_pairs({"converged_victim_target": 1.0, "converged_victim_stamped": 0.0})
        ['victim and stamped']
    """
    return [
        name.replace("_", " and ")
        for name in ("victim_target", "victim_stamped")
        if measurements[f"converged_{name}"] < 1
    ]


Direction = Literal["both", "victim_to_target", "target_to_victim"]
