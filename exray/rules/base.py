"""The paper's rule: from two masks' measurements to natural or injected."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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
    """What a rule makes of one trigger's measurements.

    Args:
        is_injected: The verdict on the trigger.
        score: How much speaks for injected, in [0, 1]; 0.5 or more exactly when ``is_injected``.
        reason: The verdict in one sentence, with the numbers it rests on.
        measurements: What was decided on, and what the rule derived from it.
        thresholds: What the measurements were held against, by name.

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
            measurements: As ``ExrayJudge`` makes them.
        """

    def margin(self, measurements: Mapping[str, float]) -> float:
        """How far the verdict is from turning over: here the score from one half.

        Args:
            measurements: As ``ExrayJudge`` makes them.
        """
        return self.decide(measurements).score - 0.5

    @abstractmethod
    def injects(self, measurements: Mapping[str, float]) -> bool:
        """Whether the trigger is injected, without the words that ``decide`` makes of it.

        Args:
            measurements: As ``ExrayJudge`` makes them.
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
    """A rule that holds measurements against thresholds.

    Where a mask did not converge it is all ones, shares everything with the other and would pass
    for natural; such a trigger stays injected, and says so.
    """

    def decide(self, measurements: Mapping[str, float]) -> Decision:
        """The verdict on one trigger.

        Args:
            measurements: As ``ExrayJudge`` makes them.
        """
        lost = lost_masks(measurements)
        if lost:
            is_injected, score = True, 0.5
            missing = " and ".join(lost)
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
        """How far the verdict is from turning over; 0 where a mask was not found.

        Args:
            measurements: As ``ExrayJudge`` makes them.
        """
        return 0.0 if lost_masks(measurements) else self.natural(measurements).margin

    def injects(self, measurements: Mapping[str, float]) -> bool:
        """Whether the trigger is injected: its masks did not converge, or it is not natural.

        Args:
            measurements: As ``ExrayJudge`` makes them.
        """
        return bool(lost_masks(measurements)) or not self.natural(measurements).holds

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
        """What the measurements are held against, by the names of what is bounded."""

    @abstractmethod
    def natural(self, measurements: Mapping[str, float]) -> Condition:
        """The claim that the trigger is natural."""

    @abstractmethod
    def numbers(self, measurements: Mapping[str, float]) -> str:
        """The measurements the verdict rests on, in words."""


def lost_masks(measurements: Mapping[str, float]) -> list[str]:
    """The pairs of sets that no mask exchanges, in words; empty where both masks converged.

    Args:
        measurements: As ``ExrayJudge`` makes them.

    Example:
        >>> lost_masks({"converged_victim_target": 1.0, "converged_victim_stamped": 0.0})
        ['victim and stamped']
    """
    return [
        name.replace("_", " and ")
        for name in ("victim_target", "victim_stamped")
        if measurements[f"converged_{name}"] < 1
    ]


Direction = Literal["both", "victim_to_target", "target_to_victim"]
