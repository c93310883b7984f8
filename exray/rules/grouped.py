"""The calibrated rule of triggers in groups: a model's triggers are decided on together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from exray.rules.base import Decision, DecisionRule
from exray.rules.calibration import TRACES, logistic
from exray.rules.calibration_facts import Facts, calibration_facts
from exray.rules.evidence import OF_JUDGE, OF_MASKS, WORDS, value_of, with_agreement
from exray.rules.grouped_calibration import GroupedCalibration
from exray.rules.trigger_groups import TriggerGroup

BAR = 0.5
IF_UNEVEN = "probability_if_uneven"


class GroupedRule(DecisionRule):
    """A model is trojaned if what all of its triggers say together makes it one half likely.

    Each trigger has log-odds by the logistic model of its group. They are combined into the model's
    evidence, and with the number of triggers into its probability. A trigger's score is the
    probability of a model whose evidence were its own; the strongest one's is the model's.

    Args:
        calibration: The frozen numbers.
        uneven: Those for networks whose classes had unlike numbers of training images, if there are
            any. No verdict rests on them: the score that they give a trigger is stored beside its
            own, as `IF_UNEVEN`.

    Source: none; noisy-or, Platt scaling of (maximum, count) or stacking (Wolpert, 1992), and the
    threshold of split conformal prediction as in CBD (Xiang et al., 2023).
    """

    def __init__(
        self, *, calibration: GroupedCalibration, uneven: GroupedCalibration | None = None
    ) -> None:
        self.calibration = calibration
        self.uneven = uneven

    def decide(self, measurements: Mapping[str, float]) -> Decision:
        """The verdict on a trigger that is its model's only one.

        Args:
            measurements: Of the scanner and of ``ExrayJudge``.

        Raises:
            ValueError: If the trigger is of no group that the calibration knows.
        """
        (decision,) = self.decide_model([measurements], [0])
        return decision

    def decide_model(
        self, rows: Sequence[Mapping[str, float]], targets: Sequence[int]
    ) -> list[Decision]:
        """The verdicts on all triggers of a model, the highest score the model's probability.

        Args:
            rows: Measurements of each trigger.
            targets: Target class of each.

        Raises:
            ValueError: If a trigger is of no group that the calibration knows.
        """
        if not rows:
            return []
        known = [_without_gaps(row) for row in with_agreement(rows, targets)]
        calibration = self.calibration.of_model(known)
        groups = [calibration.group_of(row) for row in known]
        pushes = [group.pushes(row) for group, row in zip(groups, known, strict=True)]
        log_odds = [
            group.bias + sum(pushed.values()) for group, pushed in zip(groups, pushes, strict=True)
        ]
        level = calibration.model
        evidence, together = calibration.evidence(log_odds, groups, targets)
        strongest = max(range(len(rows)), key=evidence.__getitem__)
        evidence[strongest] = together
        scores = [calibration.probability(level.log_odds(value, len(rows))) for value in evidence]
        fallback = self.calibration.fallback
        by_fallback = fallback is not None and calibration is fallback.calibration
        lacking = fallback.lacking if fallback is not None and by_fallback else ()
        decisions = [
            _decision(score, group, row, pushed, value, lacking=lacking or _missing(group, row))
            for score, group, row, pushed, value in zip(
                scores, groups, known, pushes, log_odds, strict=True
            )
        ]
        return decisions if self.uneven is None else _beside(decisions, self.uneven, rows, targets)

    def injects(self, measurements: Mapping[str, float]) -> bool:
        """Whether the trigger would be injected if it were its model's only one.

        Args:
            measurements: Of the scanner and of ``ExrayJudge``.

        Raises:
            ValueError: If the trigger is of no group that the calibration knows.
        """
        return self.decide(measurements).is_injected

    @property
    def needs_masks(self) -> bool:
        """False: what was not measured adds nothing."""
        return False

    @property
    def uses_masks(self) -> bool:
        """Whether a group weighs what only differencing measures."""
        return any(self.weighs(feature) for feature in OF_JUDGE)

    @property
    def weighs_masks(self) -> bool:
        """Whether a group weighs what is measured of the masks."""
        return any(self.weighs(feature) for feature in OF_MASKS)

    def weighs(self, feature: str) -> bool:
        """Whether a group weighs a measurement.

        Args:
            feature: Its name.
        """
        terms = (term for group in self.calibration.groups for term in group.terms)
        return any(term.feature == feature for term in terms)

    @property
    def probability_without_triggers(self) -> float | None:
        """Share of trojaned models among those without a trigger in the tuning zoo, smoothed."""
        return self.calibration.without_triggers

    def calibration_facts(self, rows: Sequence[Mapping[str, float]] = ()) -> Facts:
        """What the calibration was fitted on, and how often it was wrong on other models.

        Args:
            rows: Measurements of each of the model's triggers, as they were decided on: where they
                lack what the fallback does without, it is the fallback's errors that count.
        """
        known = [_without_gaps(row) for row in rows]
        by_fallback = bool(known) and self.calibration.of_model(known) is not self.calibration
        return calibration_facts(self.calibration.provenance, by_fallback=by_fallback)

    @property
    def fingerprint(self) -> str:
        """Hash of the calibration's numbers; with that of uneven classes' where it has them."""
        own = self.calibration.fingerprint
        return own if self.uneven is None else f"{own}-{self.uneven.fingerprint}"


def _beside(
    decisions: Sequence[Decision],
    uneven: GroupedCalibration,
    rows: Sequence[Mapping[str, float]],
    targets: Sequence[int],
) -> list[Decision]:
    """The decisions with the scores that another calibration gives the same triggers."""
    others = GroupedRule(calibration=uneven).decide_model(rows, targets)
    return [
        replace(one, measurements={**one.measurements, IF_UNEVEN: other.score})
        for one, other in zip(decisions, others, strict=True)
    ]


def _without_gaps(row: Mapping[str, float]) -> dict[str, float]:
    """The measurements that were taken."""
    return {name: value for name, value in row.items() if not math.isnan(value)}


def _missing(group: TriggerGroup, row: Mapping[str, float]) -> tuple[str, ...]:
    """The traces of the training that a group weighs, and that were not taken of a trigger."""
    weighed = [term.feature for term in group.terms if term.feature in TRACES]
    return tuple(name for name in weighed if math.isnan(value_of(name, row)))


def _decision(
    score: float,
    group: TriggerGroup,
    row: Mapping[str, float],
    pushes: Mapping[str, float],
    log_odds: float,
    *,
    lacking: Sequence[str],
) -> Decision:
    """A trigger's verdict, with what speaks for and against it, and what was not measured."""
    is_injected = score >= BAR
    verdict = "injected" if is_injected else "natural"
    own = {f"push_{name}": value for name, value in pushes.items()}
    without = f"; not measured: {', '.join(lacking)}" if lacking else ""
    return Decision(
        is_injected=is_injected,
        score=score,
        reason=(
            f"{verdict}: with the model's other triggers {score:.0%} likely to be injected; as a "
            f"{group.name} by itself {logistic(log_odds):.0%}{_in_words(pushes)}"
            f"{without}"
        ),
        measurements={**row, **own, "log_odds": log_odds},
        thresholds={"probability": BAR},
    )


def _in_words(pushes: Mapping[str, float]) -> str:
    """Each measurement with its part in the log-odds, the strongest first."""
    told = {name: push for name, push in pushes.items() if push}
    ordered = sorted(told.items(), key=lambda item: -abs(item[1]))
    parts = ", ".join(f"{WORDS[name]} {push:+.1f}" for name, push in ordered)
    return f", log-odds from {parts}" if parts else ""
