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

from exray.rules.calibration import check_number, logistic
from exray.rules.evidence import WORDS, search_of, value_of
from exray.rules.trigger_groups import TriggerGroup

FORMAT = 2
Combination = Literal["noisy_or", "maximum", "stacked"]


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
        fallback: What decides on models that lack some measurements; None for none.
        provenance: What it was fitted on, and how.

    Raises:
        ValueError: If there is no group, two have one name, or a number is out of range.
    """

    groups: tuple[TriggerGroup, ...]
    model: ModelLevel
    num_models: int
    without_triggers: float
    fallback: "Fallback | None" = None
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

    def of_model(self, rows: Sequence[Mapping[str, float]]) -> "GroupedCalibration":
        """The calibration that decides on a model: the fallback's, where its measurements lack.

        Args:
            rows: Measurements of each of its triggers.
        """
        fallback = self.fallback
        return fallback.calibration if fallback and fallback.applies(rows) else self

    @property
    def _way_out(self) -> str:
        """The scanner whose triggers it was fitted on, as far as its file says so."""
        scanner = self.provenance.get("scanner")
        return f"; take scanner={scanner}, on whose triggers it was fitted" if scanner else ""

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
            f"{', '.join(group.name for group in self.groups)}{self._way_out}"
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
        own: dict[str, object] = {
            "groups": [asdict(group) for group in self.groups],
            "model": asdict(self.model),
            "num_models": self.num_models,
            "without_triggers": self.without_triggers,
        }
        if self.fallback is None:
            return own
        others = self.fallback.calibration._numbers()
        return {**own, "fallback": {"lacking": list(self.fallback.lacking), **others}}


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """What decides on models for which some measurements cannot be taken.

    A measurement that was not taken adds nothing, and a threshold that counts on it is too high.

    Args:
        lacking: The measurements; it decides where no trigger of a model has any of them.
        calibration: Fitted without them.

    Raises:
        ValueError: If no measurement is named, one is not known or weighed all the same, or the
            calibration has a fallback itself.
    """

    lacking: tuple[str, ...]
    calibration: GroupedCalibration

    def __post_init__(self) -> None:
        unknown = sorted(set(self.lacking) - set(WORDS))
        if unknown or not self.lacking:
            raise ValueError(
                f"lacking must name measurements, of {', '.join(WORDS)}; got {list(self.lacking)}"
            )
        groups = self.calibration.groups
        weighed = {term.feature for group in groups for term in group.terms} & set(self.lacking)
        if weighed:
            named = ", ".join(sorted(weighed))
            raise ValueError(f"a fallback must do without what is lacking; it weighs {named}")
        if self.calibration.fallback is not None:
            raise ValueError("a fallback must have none of its own; it has one")

    def applies(self, rows: Sequence[Mapping[str, float]]) -> bool:
        """Whether a model lacks all of the measurements.

        Args:
            rows: Measurements of each of its triggers.

        Example:
            >>> level = ModelLevel(combination="maximum", slope_above=1.0, slope_below=1.0,
            ...     count_weight=0.0, threshold=0.0, false_positive_rate=0.1)
            >>> patches = TriggerGroup(
            ...     name="patches", searches=("patch",), is_universal=None, terms=(), bias=0.0)
            >>> plain = GroupedCalibration(
            ...     groups=(patches,), model=level, num_models=8, without_triggers=0.2)
            >>> fallback = Fallback(lacking=("target_rise",), calibration=plain)
            >>> fallback.applies([{"strength": 1.0}]), fallback.applies([{"target_rise": 1.0}])
            (True, False)
        """
        values = (value_of(name, row) for row in rows for name in self.lacking)
        return all(math.isnan(value) for value in values)


class _StoredFallback(Struct, frozen=True):
    lacking: tuple[str, ...]
    groups: tuple[TriggerGroup, ...]
    model: ModelLevel
    num_models: int
    without_triggers: float

    def fallback(self) -> Fallback:
        calibration = GroupedCalibration(
            groups=self.groups,
            model=self.model,
            num_models=self.num_models,
            without_triggers=self.without_triggers,
        )
        return Fallback(lacking=self.lacking, calibration=calibration)


class StoredGroupedCalibration(Struct, frozen=True):
    """The JSON of a grouped calibration."""

    kind: Literal["calibration"]
    format: Literal[2]
    groups: tuple[TriggerGroup, ...]
    model: ModelLevel
    num_models: int
    without_triggers: float
    provenance: dict[str, object]
    fallback: _StoredFallback | None = None

    def calibration(self) -> GroupedCalibration:
        """What it describes."""
        return GroupedCalibration(
            groups=self.groups,
            model=self.model,
            num_models=self.num_models,
            without_triggers=self.without_triggers,
            fallback=self.fallback.fallback() if self.fallback else None,
            provenance=self.provenance,
        )


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
