"""The paper's decision rule."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from exray.rules.base import CROSS, Direction, ThresholdRule
from exray.rules.conditions import Condition, above, all_of, any_of

CONVERGED = ("converged_victim_target", "converged_victim_stamped")
_ONE_SIDED = {
    "both": CROSS,
    "victim_to_target": ("cross_target_into_victim", "cross_stamped_into_victim"),
    "target_to_victim": ("cross_victim_into_target", "cross_victim_into_stamped"),
}


@dataclass(frozen=True, kw_only=True)
class PaperRule(ThresholdRule):
    """A trigger is natural if its masks overlap (5), or if each can stand in for the other (6).

    Args:
        similarity_threshold: The paper's beta, in (0, 1).
        cross_threshold: The paper's gamma, in (0, 1).
        direction: ``both`` asks all four accuracies of (6); a one-sided baseline asks the two of
            the direction that its masks were optimised for.
        additional_check: Whether (6) counts at all; without it, (5) decides alone (CVPR Table 10).

    Raises:
        ValueError: If a threshold is no number in (0, 1).

    Source: EX-RAY, section 3.2, equations (5) and (6); CVPR appendix G for the values.
    """

    similarity_threshold: float
    cross_threshold: float
    direction: Direction = "both"
    additional_check: bool = True

    def __post_init__(self) -> None:
        for name in ("similarity_threshold", "cross_threshold"):
            value = getattr(self, name)
            if isinstance(value, str) or not 0 < value < 1:
                raise ValueError(f"{name} must lie in (0, 1); got {value!r}")

    @property
    def thresholds(self) -> dict[str, float]:
        """Both thresholds, by the names of what they bound."""
        if not self.additional_check:
            return {"similarity": self.similarity_threshold}
        return {"similarity": self.similarity_threshold, "cross_accuracy": self.cross_threshold}

    def natural(self, measurements: Mapping[str, float]) -> Condition:
        """Equation (5) or equation (6)."""
        overlap = above(measurements["similarity"], self.similarity_threshold)
        if not self.additional_check:
            return overlap
        names = _ONE_SIDED[self.direction]
        crossed = (above(measurements[name], self.cross_threshold) for name in names)
        return any_of(overlap, all_of(*crossed))

    def all_injected(self, measurements: Mapping[str, Float[ndarray, " n"]]) -> Bool[ndarray, " n"]:
        """Which of many triggers are injected: `injects` of each, at once.

        Args:
            measurements: Each measurement of all triggers, by name.

        Example:
            >>> rule = PaperRule(
            ...     similarity_threshold=0.8, cross_threshold=0.8, additional_check=False
            ... )
            >>> one = np.ones(2)
            >>> converged = {"converged_victim_target": one, "converged_victim_stamped": one}
            >>> rule.all_injected({"similarity": np.array([0.5, 0.9]), **converged})
            array([ True, False])
        """
        natural = measurements["similarity"] > self.similarity_threshold
        if self.additional_check:
            names = _ONE_SIDED[self.direction]
            crossed = [measurements[name] > self.cross_threshold for name in names]
            natural |= np.logical_and.reduce(crossed)
        unconverged = [measurements[name] < 1 for name in CONVERGED]
        injected: Bool[ndarray, " n"] = np.logical_or.reduce([~natural, *unconverged])
        return injected

    def numbers(self, measurements: Mapping[str, float]) -> str:
        """Which of (5) and (6) holds, with its measurement and threshold; one is enough."""
        overlap = above(measurements["similarity"], self.similarity_threshold)
        share = (
            f"(5) {_word(overlap)}: the masks share {measurements['similarity']:.0%} of the "
            f"smaller one (threshold {self.similarity_threshold:.0%})"
        )
        if not self.additional_check:
            return share
        weakest = min(measurements[name] for name in _ONE_SIDED[self.direction])
        crossed = above(weakest, self.cross_threshold)
        either = overlap.holds or crossed.holds
        return (
            f"{share}; (6) {_word(crossed)}: each in the other's place, they still exchange the "
            f"classes in {weakest:.0%} of cases at worst (threshold {self.cross_threshold:.0%}); "
            f"either {'is' if either else 'would be'} enough for natural"
        )


def _word(condition: Condition) -> str:
    return "holds" if condition.holds else "fails"
