"""Claims over measurements: what holds, and by how much."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Something that holds or does not, with its distance from turning over.

    Args:
        holds: Whether it does.
        margin: How far the weakest part that decides it is past its threshold; not negative where
            it holds.
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


def all_of(*claims: Condition) -> Condition:
    """That every one holds.

    Example:
        >>> all_of(above(0.75, 0.5), above(0.25, 0.5))
        Condition(holds=False, margin=-0.25)
    """
    return Condition(
        holds=all(claim.holds for claim in claims), margin=min(claim.margin for claim in claims)
    )


def any_of(*claims: Condition) -> Condition:
    """That at least one holds.

    Example:
        >>> any_of(above(0.75, 0.5), above(0.25, 0.5))
        Condition(holds=True, margin=0.25)
    """
    return Condition(
        holds=any(claim.holds for claim in claims), margin=max(claim.margin for claim in claims)
    )


def most_of(count: int, *claims: Condition) -> Condition:
    """That at least ``count`` of them hold.

    Example:
        >>> most_of(2, above(0.75, 0.5), above(1.0, 0.5), above(0.25, 0.5))
        Condition(holds=True, margin=0.25)
    """
    margins = sorted((claim.margin for claim in claims), reverse=True)
    return Condition(holds=sum(claim.holds for claim in claims) >= count, margin=margins[count - 1])


def injected_score(natural: Condition, *, threshold: float) -> float:
    """A rank in [0, 1] of how much speaks for injected; 0.5 or more exactly when not natural.

    Linear in the margin on both sides, so that a measurement of 0 gives 1 and one of 1 gives 0.

    Args:
        natural: The claim that a trigger is natural.
        threshold: Of the measurements it rests on, in (0, 1).

    Example:
        >>> injected_score(above(0.4, 0.8), threshold=0.8)
        0.75
    """
    if natural.holds:
        score = 0.5 - 0.5 * natural.margin / (1 - threshold)
        return max(0.0, min(score, math.nextafter(0.5, 0)))
    return min(1.0, max(0.5, 0.5 - 0.5 * natural.margin / threshold))
