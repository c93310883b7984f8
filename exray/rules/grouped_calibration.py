"""A frozen judge of triggers in groups: each has a logistic model of its own, the model a third.

The second format of calibrations; `exray.rules.calibration` holds the first.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from msgspec import Struct

from exray.rules.calibration import WIDEST, check_number, logistic
from exray.rules.evidence import WORDS, search_of, sign_of, value_of

FORMAT = 2
Combination = Literal["noisy_or", "maximum", "stacked"]


@dataclass(frozen=True, kw_only=True)
class EvidenceTerm:
    """One measurement's part in a trigger's log-odds: ``weight * (value - centre) / scale``.

    Args:
        feature: One of `exray.rules.evidence.WORDS`.
        weight: Log-odds per standard deviation; positive is evidence for injected.
        centre: Mean on the triggers it was fitted on.
        scale: Standard deviation there, above 0.

    Raises:
        ValueError: If there is no such feature, or a number is not finite or out of range.
    """

    feature: str
    weight: float
    centre: float
    scale: float

    def __post_init__(self) -> None:
        if self.feature not in WORDS:
            raise ValueError(f"feature must be one of {', '.join(WORDS)}; got {self.feature!r}")
        for name in ("weight", "centre", "scale"):
            check_number(name, getattr(self, name))
        if self.scale <= 0:
            raise ValueError(f"scale of {self.feature} must be above 0; got {self.scale!r}")

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
        value = value_of(self.feature, measurements)
        if math.isnan(value):
            return 0.0
        deviations = (value - self.centre) / self.scale
        return self.weight * min(max(deviations, -WIDEST), WIDEST)


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


@dataclass(frozen=True, kw_only=True)
class ModelLevel:
    """From the log-odds of a model's triggers to the model's own.

    ``slope * (evidence + count_weight * log(number of triggers) - threshold)``, with a slope of its
    own below the threshold. The evidence is the highest log-odds of the triggers, that of a
    noisy-or over their distinct targets, or the sum over the groups (``stacked``) of what the
    strongest trigger says (`softplus` of its log-odds) times the group's weight.

    Args:
        combination: ``maximum``, ``noisy_or`` or ``stacked``.
        slope_above: Of evidence beyond the threshold, above 0.
        slope_below: Of evidence that does not reach it, above 0.
        count_weight: What the number of triggers adds, 0 or less: of many one is high by chance.
        threshold: Evidence from which a model is called trojaned.
        false_positive_rate: Highest share of clean models, such as those of the tuning zoo, that
            the threshold was chosen to flag.

    Raises:
        ValueError: If a number is not finite or out of range.
    """

    combination: Combination
    slope_above: float
    slope_below: float
    count_weight: float
    threshold: float
    false_positive_rate: float

    def __post_init__(self) -> None:
        for name in ("count_weight", "threshold", "false_positive_rate"):
            check_number(name, getattr(self, name))
        for name in ("slope_above", "slope_below"):
            if check_number(name, getattr(self, name)) <= 0:
                raise ValueError(f"{name} must be above 0; got {getattr(self, name)!r}")
        if self.count_weight > 0:
            raise ValueError(f"count_weight must be 0 or less; got {self.count_weight!r}")
        if not 0 < self.false_positive_rate < 1:
            raise ValueError(
                f"false_positive_rate must lie in (0, 1); got {self.false_positive_rate!r}"
            )

    def log_odds(self, evidence: float, num_triggers: int) -> float:
        """The model's log-odds of being trojaned.

        Args:
            evidence: What `GroupedCalibration.evidence` makes of its triggers' log-odds.
            num_triggers: How many they are, 1 or more.
        """
        beyond = evidence + self.count_weight * math.log(num_triggers) - self.threshold
        return beyond * (self.slope_above if beyond >= 0 else self.slope_below)


@dataclass(frozen=True, kw_only=True)
class GroupedCalibration:
    """A model's probability of being trojaned, from its triggers in groups.

    Args:
        groups: A trigger belongs to the first group that holds it.
        model: From the triggers' log-odds to the model's.
        num_models: Number of models it was fitted on, 1 or more; no probability is nearer to 0 or
            1 than ``1 / (num_models + 2)``.
        without_triggers: Probability of a model without any trigger, in (0, 0.5).
        provenance: What it was fitted on, and how.

    Raises:
        ValueError: If there is no group, two have one name, or a number is out of range.
    """

    groups: tuple[TriggerGroup, ...]
    model: ModelLevel
    num_models: int
    without_triggers: float
    provenance: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [group.name for group in self.groups]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"groups must hold one or more, each with its own name; got {names}")
        if self.num_models < 1:
            raise ValueError(f"num_models must be 1 or more; got {self.num_models!r}")
        if not 0 < check_number("without_triggers", self.without_triggers) < 0.5:
            raise ValueError(
                f"without_triggers must lie in (0, 0.5); got {self.without_triggers!r}"
            )

    def group_of(self, measurements: Mapping[str, float]) -> TriggerGroup:
        """The group that a trigger belongs to.

        Args:
            measurements: Of the trigger, with the flags of ``scanner=portfolio``.

        Raises:
            ValueError: If it belongs to none.
        """
        for group in self.groups:
            if group.holds(measurements):
                return group
        search = search_of(measurements)
        raise ValueError(
            f"the calibration knows no triggers of {f'the search {search}' if search else 'this'}"
            f"{'' if search else ' scanner'}; it has: "
            f"{', '.join(group.name for group in self.groups)}"
        )

    def evidence(
        self, log_odds: Sequence[float], groups: Sequence[TriggerGroup], targets: Sequence[int]
    ) -> tuple[list[float], float]:
        """What each of a model's triggers would say without the others, and what all say together.

        Args:
            log_odds: Of each trigger; one or more.
            groups: Group of each.
            targets: Target class of each.
        """
        combination = self.model.combination
        if combination != "stacked":
            own = own_evidence(log_odds, targets, combination)
            return own, evidence_of(log_odds, targets, combination)
        own = [
            group.weight * softplus(value) for value, group in zip(log_odds, groups, strict=True)
        ]
        best: dict[str, float] = {}
        for value, group in zip(own, groups, strict=True):
            best[group.name] = max(value, best.get(group.name, 0.0))
        return own, sum(best.values())

    def probability(self, log_odds: float) -> float:
        """The probability of a model's log-odds, clipped to what the tuning zoo's size supports.

        Args:
            log_odds: As `ModelLevel.log_odds` gives them.
        """
        return clipped(logistic(log_odds), self.num_models)

    @property
    def fingerprint(self) -> str:
        """Hash of all numbers that decide."""
        return hashlib.sha256(json.dumps(self._numbers(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        head: dict[str, object] = {"kind": "calibration", "format": FORMAT}
        return head | self._numbers() | {"provenance": dict(self.provenance)}

    def _numbers(self) -> dict[str, object]:
        return {
            "groups": [asdict(group) for group in self.groups],
            "model": asdict(self.model),
            "num_models": self.num_models,
            "without_triggers": self.without_triggers,
        }


class StoredGroupedCalibration(Struct, frozen=True):
    """The JSON of a grouped calibration."""

    kind: Literal["calibration"]
    format: Literal[2]
    groups: tuple[TriggerGroup, ...]
    model: ModelLevel
    num_models: int
    without_triggers: float
    provenance: dict[str, object]

    def calibration(self) -> GroupedCalibration:
        """What it describes."""
        return GroupedCalibration(
            groups=self.groups,
            model=self.model,
            num_models=self.num_models,
            without_triggers=self.without_triggers,
            provenance=self.provenance,
        )


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


def evidence_of(
    log_odds: Sequence[float], targets: Sequence[int], combination: Combination
) -> float:
    """The evidence in the log-odds of a model's triggers.

    Args:
        log_odds: Of each trigger; one or more.
        targets: Target class of each.
        combination: ``maximum``, or ``noisy_or``: the log-odds that at least one target's best
            trigger is injected, if they were so independently of each other and each as rarely as
            there are targets.

    Example:
        >>> evidence_of([0.0, 0.0], [3, 3], "noisy_or"), evidence_of([0.0, 1.0], [3, 4], "maximum")
        (0.0, 1.0)
        >>> round(evidence_of([0.0, 0.0], [3, 4], "noisy_or"), 3)  # odds of one third, twice
        0.223
    """
    own = own_evidence(log_odds, targets, combination)
    if combination == "maximum" or len(set(targets)) == 1:
        return max(own)
    best: dict[int, float] = {}
    for value, target in zip(own, targets, strict=True):
        best[target] = max(value, best.get(target, -math.inf))
    # -log of the probability that no target is, whose odds are expm1 of it
    clean = sum(softplus(value) for value in best.values())
    return clean + math.log(-math.expm1(-clean)) if clean else max(own)


def own_evidence(
    log_odds: Sequence[float], targets: Sequence[int], combination: Combination
) -> list[float]:
    """What each of a model's triggers would say without the others.

    Args:
        log_odds: Of each trigger.
        targets: Target class of each.
        combination: As of `evidence_of`.
    """
    prior = math.log(len(set(targets))) if combination == "noisy_or" else 0.0
    return [value - prior for value in log_odds]


def softplus(log_odds: float) -> float:
    """What a group's strongest trigger says: its log-odds where they are high, 0 where low.

    Example:
        >>> round(softplus(0.0), 3), round(softplus(9.0), 3), round(softplus(-9.0), 3)
        (0.693, 9.0, 0.0)
    """
    return max(log_odds, 0.0) + math.log1p(math.exp(-abs(log_odds)))


def clipped(probability: float, num_models: int) -> float:
    """A probability as near to 0 or 1 as a number of models supports, by Laplace's rule.

    Args:
        probability: In [0, 1].
        num_models: That it was fitted on.

    Example:
        >>> clipped(1.0, 8), clipped(0.25, 8)
        (0.9, 0.25)
    """
    nearest = 1 / (num_models + 2)
    return min(max(probability, nearest), 1 - nearest)
