"""Triggers in groups, each with a logistic model of their measurements."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from exray.rules.calibration import ScaledTerm, check_number
from exray.rules.evidence import WORDS, search_of, sign_of, value_of


@dataclass(frozen=True, kw_only=True)
class EvidenceTerm(ScaledTerm):
    """A measurement of scanner or judge in a group's logistic model.

    Raises:
        ValueError: As of `ScaledTerm`; the features are those of `exray.rules.evidence.WORDS`.
    """

    KNOWN: ClassVar[Collection[str]] = WORDS

    def push(self, measurements: Mapping[str, float]) -> float:
        """What the measurement adds to the log-odds; clipped at three deviations.

        A measurement that does not apply to the trigger, or was not taken, adds nothing.

        Args:
            measurements: Of the scanner and of ``ExrayJudge``.

        Example:
            >>> term = EvidenceTerm(feature="strength", weight=2.0, centre=1.0, scale=4.0)
            >>> term.push({"strength": 5.0}), term.push({"strength": 99.0}), term.push({})
            (2.0, 6.0, 0.0)
        """
        return self.pushed(value_of(self.feature, measurements))


@dataclass(frozen=True, kw_only=True)
class TriggerGroup:
    """Triggers of some searches and one reach, with the logistic model of them.

    Args:
        name: In words, such as ``universal patch``.
        searches: The searches of ``scanner=portfolio`` whose triggers belong to it.
        is_universal: Reach of its triggers; None for both.
        terms: A few measurements with their weights; none where they did not tell.
        bias: Log-odds of a trigger with average measurements.
        weight: What its strongest trigger counts where groups are ``stacked``; 0 or more.

    Raises:
        ValueError: If no search is named, ``weight`` is negative, or a measurement's weight has the
            sign that theory rules out.
    """

    name: str
    searches: tuple[str, ...]
    is_universal: bool | None
    terms: tuple[EvidenceTerm, ...]
    bias: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_number("bias", self.bias)
        if check_number("weight", self.weight) < 0:
            raise ValueError(f"weight of {self.name!r} must be 0 or more; got {self.weight!r}")
        if not self.searches:
            raise ValueError(f"the group {self.name!r} must name its searches; it names none")
        for term in self.terms:
            sign = sign_of(term.feature, is_universal=self.is_universal)
            if sign * term.weight < 0:
                allowed = "0 or more" if sign > 0 else "0 or less"
                raise ValueError(
                    f"weight of {term.feature} in {self.name!r} must be {allowed}; "
                    f"got {term.weight!r}"
                )

    def holds(self, measurements: Mapping[str, float]) -> bool:
        """Whether a trigger belongs to the group.

        Args:
            measurements: Of the trigger, with the flags of ``scanner=portfolio``.
        """
        return belongs(measurements, self.searches, self.is_universal)

    def pushes(self, measurements: Mapping[str, float]) -> dict[str, float]:
        """What each measurement adds to the log-odds, by feature.

        Args:
            measurements: Of the scanner and of ``ExrayJudge``.
        """
        return {term.feature: term.push(measurements) for term in self.terms}


def belongs(
    measurements: Mapping[str, float], searches: Sequence[str], is_universal: bool | None
) -> bool:
    """Whether a trigger is of one of some searches, and of a reach.

    Args:
        measurements: Of the trigger, with the flags of ``scanner=portfolio``.
        searches: Names of searches.
        is_universal: The reach; None for both.

    Example:
        >>> belongs({"is_patch": 1.0, "is_universal": 0.0}, ["patch"], False)
        True
    """
    if is_universal is not None and (measurements.get("is_universal") == 1) != is_universal:
        return False
    return search_of(measurements) in searches
