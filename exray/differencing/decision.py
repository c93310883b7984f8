"""The paper's rule: from two masks' measurements to natural or injected."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from exray.triggers.judge import Judgement

CROSS = (
    "cross_victim_into_target",
    "cross_target_into_victim",
    "cross_victim_into_stamped",
    "cross_stamped_into_victim",
)
"""The four accuracies of equation (6), in its order: first M2 on V and T, then M1 on V and V+t."""


class Rule(ABC):
    """From one trigger's measurements to natural or injected."""

    @abstractmethod
    def decide(self, measurements: Mapping[str, float]) -> Judgement:
        """The verdict on one trigger, without its pictures."""


@dataclass(frozen=True, kw_only=True)
class PaperRule(Rule):
    """A trigger is natural if its masks overlap (5), or if each can stand in for the other (6).

    Args:
        similarity_threshold: The paper's beta, in (0, 1).
        cross_threshold: The paper's gamma, in (0, 1).

    Raises:
        ValueError: If a threshold is no number in (0, 1).

    Source: EX-RAY, section 3.2, equations (5) and (6); CVPR appendix G for the values.
    """

    similarity_threshold: float
    cross_threshold: float

    def __post_init__(self) -> None:
        for name in ("similarity_threshold", "cross_threshold"):
            value = getattr(self, name)
            if isinstance(value, str) or not 0 < value < 1:
                raise ValueError(f"judge.rule.{name} must lie in (0, 1); got {value!r}")

    @property
    def thresholds(self) -> dict[str, float]:
        """Both thresholds, by the names of what they bound."""
        return {"similarity": self.similarity_threshold, "cross_accuracy": self.cross_threshold}

    def decide(self, measurements: Mapping[str, float]) -> Judgement:
        """The verdict on one trigger, without its pictures.

        Where a mask did not converge it is all ones, shares everything with the other and would
        pass for natural; such a trigger stays injected, and says so.

        Args:
            measurements: ``similarity``, the four ``cross_`` accuracies and both ``converged_``.
        """
        margin = self._margin(measurements)
        weakest = min(measurements[name] for name in CROSS)
        overlap = measurements["similarity"]
        numbers = (
            f"the masks share {overlap:.0%} of the smaller one "
            f"(bar {self.similarity_threshold:.0%}) and, each in the other's place, they still "
            f"exchange the classes in {weakest:.0%} of cases at worst "
            f"(bar {self.cross_threshold:.0%})"
        )
        lost = [
            name for name in ("victim_target", "victim_stamped")
            if measurements[f"converged_{name}"] < 1
        ]  # fmt: skip
        if lost:
            pairs = " and ".join(name.replace("_", " and ") for name in lost)
            reason = f"injected by default: no mask exchanges {pairs}, so nothing was compared"
            return Judgement(
                is_injected=True,
                score=0.5,
                reason=reason,
                measurements=dict(measurements),
                thresholds=self.thresholds,
            )
        is_injected = margin <= 0
        meaning = (
            "injected: the trigger changes other features than those that tell the classes apart"
            if is_injected
            else "natural: the trigger changes the features that tell the two classes apart"
        )
        return Judgement(
            is_injected=is_injected,
            score=self._score(margin),
            reason=f"{meaning}; {numbers}",
            measurements=dict(measurements),
            thresholds=self.thresholds,
        )

    def _margin(self, measurements: Mapping[str, float]) -> float:
        """How far the better of the two conditions is past its threshold; natural above 0."""
        return max(
            measurements["similarity"] - self.similarity_threshold,
            min(measurements[name] for name in CROSS) - self.cross_threshold,
        )

    def _score(self, margin: float) -> float:
        """The margin as a rank in [0, 1], 0.5 at the threshold; not a calibrated probability."""
        if margin <= 0:
            reach = min(self.similarity_threshold, self.cross_threshold)
            return min(1.0, 0.5 - 0.5 * margin / reach)
        reach = 1 - min(self.similarity_threshold, self.cross_threshold)
        return max(0.0, 0.5 - 0.5 * margin / reach) if margin < reach else 0.0
