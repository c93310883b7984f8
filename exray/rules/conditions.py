"""Conditions on measurements: whether they hold, and by how much."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A condition that holds or does not, with its distance from changing.

    Args:
        holds: Whether it holds.
        margin: Distance of the decisive measurement from its threshold; not negative where the
            condition holds.
    """

    holds: bool
    margin: float


def above(value: float, threshold: float) -> Condition:
    """That a value exceeds a threshold.

    Example:
        >>> above(0.75, 0.5)
        Condition(holds=True, margin=0.25)
    """
    return Condition(holds=value > threshold, margin=value - threshold)


def at_least(value: float, threshold: float) -> Condition:
    """That a value reaches a threshold.

    Example:
        >>> at_least(0.5, 0.5).holds, above(0.5, 0.5).holds
        (True, False)
    """
    return Condition(holds=value >= threshold, margin=value - threshold)


def all_of(*conditions: Condition) -> Condition:
    """That every one holds.

    Example:
        >>> all_of(above(0.75, 0.5), above(0.25, 0.5))
        Condition(holds=False, margin=-0.25)
    """
    return Condition(
        holds=all(condition.holds for condition in conditions),
        margin=min(condition.margin for condition in conditions),
    )


def any_of(*conditions: Condition) -> Condition:
    """That at least one holds.

    Example:
        >>> any_of(above(0.75, 0.5), above(0.25, 0.5))
        Condition(holds=True, margin=0.25)
    """
    return Condition(
        holds=any(condition.holds for condition in conditions),
        margin=max(condition.margin for condition in conditions),
    )


def most_of(count: int, *conditions: Condition) -> Condition:
    """That at least ``count`` of them hold.

    Example:
        >>> most_of(2, above(0.75, 0.5), above(1.0, 0.5), above(0.25, 0.5))
        Condition(holds=True, margin=0.25)
    """
    margins = sorted((condition.margin for condition in conditions), reverse=True)
    return Condition(
        holds=sum(condition.holds for condition in conditions) >= count, margin=margins[count - 1]
    )


def injected_score(natural: Condition, *, threshold: float) -> float:
    """A rank in [0, 1] of the evidence for injected; 0.5 or more exactly when not natural.

    Linear in the margin on both sides, so that a measurement of 0 gives 1 and one of 1 gives 0.

    Args:
        natural: The condition that a trigger is natural.
        threshold: Of the measurements it bounds, in (0, 1).

    Example:
        >>> injected_score(above(0.4, 0.8), threshold=0.8)
        0.75
    """
    if natural.holds:
        score = 0.5 - 0.5 * natural.margin / (1 - threshold)
        return max(0.0, min(score, math.nextafter(0.5, 0)))
    return min(1.0, max(0.5, 0.5 - 0.5 * natural.margin / threshold))
