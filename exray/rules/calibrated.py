"""The calibrated rule: a probability instead of the paper's two thresholds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from exray.rules.base import Decision, DecisionRule, unconverged_pairs
from exray.rules.calibration import EARLIER, SCANNERS, SHIPPED, TRACES, read_calibration
from exray.rules.calibration_facts import Facts, calibration_facts

BAR = 0.5
_AT_ONE_CUT = {
    "similarity": "the masks' overlap",
    "similarity_first": "the overlap as a share of M1",
    "similarity_second": "the overlap as a share of M2",
    "cross_victim_into_target": "M2 taking victims for targets",
    "cross_target_into_victim": "M2 taking targets for victims",
    "cross_victim_into_stamped": "M1 undoing the trigger",
    "cross_stamped_into_victim": "M1 carrying the trigger over",
    "weakest_cross": "the weakest cross accuracy",
    "mean_cross": "the mean cross accuracy",
    "mask_ratio": "the size of M2 against M1 (log)",
    "log_entropy_cross_victim_into_target": "how badly M2 takes victims for targets (log nats)",
    "log_entropy_cross_target_into_victim": "how badly M2 takes targets for victims (log nats)",
    "log_entropy_cross_victim_into_stamped": "how badly M1 undoes the trigger (log nats)",
    "log_entropy_cross_stamped_into_victim": "how badly M1 carries it over (log nats)",
    "log_entropy_stamped_target": "the loss of stamped images (log nats)",
    "log_patch_size": "the patch's size (log)",
    "whole_image": "changing the whole image",
    "similarity_quantile": "the masks' overlap among that of mismatched masks",
    "confidence_shift": "the confidence of stamped images against the target's own",
    "tube_ratio": "the distance of stamped images from the target's (log)",
    "steadiness": "how steadily it works on moved images",
    **TRACES,
}
WORDS = _AT_ONE_CUT | {
    name: f"{_AT_ONE_CUT[name.removeprefix('earlier_')]} at the earlier cut" for name in EARLIER
}


class CalibratedRule(DecisionRule):
    """A trigger is injected if a logistic model of its measurements gives it one half or more.

    The model was fitted on a tuning zoo and is frozen in a file with its provenance. What each
    measurement adds to the log-odds is recorded as ``push_<feature>``.

    Args:
        file: The calibration, or the name of a shipped one.
        scanner: Name of the scanner whose triggers it decides on; None where that is not known.

    Raises:
        ValueError: If the file is missing or holds no calibration.

    Source: none; the paper compares the same measurements with two thresholds (section 3.2).
    """

    def __init__(self, *, file: str, scanner: str | None = None) -> None:
        self.file = file
        self.scanner = scanner
        self.calibration = read_calibration(SHIPPED.get(file, Path(file)))

    def for_scanner(self, scanner: str) -> "CalibratedRule":
        """The same rule, which knows whose triggers it decides on.

        Args:
            scanner: The scanner's name in ``conf/scanner``.
        """
        return CalibratedRule(file=self.file, scanner=scanner)

    @property
    def remarks(self) -> tuple[str, ...]:
        """That a shipped calibration was fitted on another scanner's triggers, where it was."""
        if self.file not in SHIPPED or self.scanner in (None, *SCANNERS[self.file]):
            return ()
        return (
            f"the calibration was fitted on triggers of scanner={self.file}, not of "
            f"{self.scanner}: its probabilities mean less here",
        )

    def decide(self, measurements: Mapping[str, float]) -> Decision:
        """The verdict on one trigger, with its probability.

        Args:
            measurements: As ``ExrayJudge`` measures them.

        Raises:
            ValueError: If a measurement that the calibration needs was not taken.
        """
        unconverged = unconverged_pairs(measurements)
        if unconverged:
            pushes: dict[str, float] = {}
            probability = self.calibration.unconverged
            because = f"no mask exchanges {' and '.join(unconverged)}, so nothing was compared"
        else:
            pushes = self.calibration.pushes(measurements)
            probability = self.calibration.probability(measurements)
            because = _in_words(pushes)
        is_injected = probability >= BAR
        verdict = "injected" if is_injected else "natural"
        return Decision(
            is_injected=is_injected,
            score=probability,
            reason=f"{verdict}: {probability:.0%} likely to be injected; {because}",
            measurements={
                **measurements,
                **{f"push_{name}": value for name, value in pushes.items()},
            },
            thresholds={"probability": BAR},
        )

    def injects(self, measurements: Mapping[str, float]) -> bool:
        """Whether the trigger's probability is one half or more.

        Args:
            measurements: As ``ExrayJudge`` measures them.

        Raises:
            ValueError: If a measurement that the calibration needs was not taken.
        """
        return self.decide(measurements).is_injected

    @property
    def probability_without_triggers(self) -> float | None:
        """Share of trojaned models among those without a trigger in the tuning zoo, smoothed."""
        return self.calibration.without_triggers

    def calibration_facts(self, rows: Sequence[Mapping[str, float]] = ()) -> Facts:
        """What the calibration was fitted on, and how often it was wrong on other models.

        Args:
            rows: Measurements of each of the model's triggers, as they were decided on.
        """
        del rows
        return calibration_facts(self.calibration.provenance)

    def weighs(self, feature: str) -> bool:
        """Whether the calibration weighs a measurement.

        Args:
            feature: Its name.
        """
        return any(term.feature == feature for term in self.calibration.terms)

    @property
    def fingerprint(self) -> str:
        """Hash of the calibration's numbers."""
        return self.calibration.fingerprint


def _in_words(pushes: Mapping[str, float]) -> str:
    """Each measurement with its part in the log-odds, the strongest first."""
    ordered = sorted(pushes.items(), key=lambda item: -abs(item[1]))
    return "log-odds from " + ", ".join(f"{WORDS[name]} {push:+.1f}" for name, push in ordered)
