"""The rule that a calibration's file describes, of either format."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from exray.rules.base import Decision, DecisionRule
from exray.rules.calibrated import CalibratedRule
from exray.rules.calibration import SCANNERS, SHIPPED, read_json
from exray.rules.calibration_facts import Facts
from exray.rules.grouped import GroupedRule
from exray.rules.grouped_calibration import FORMAT, GroupedCalibration, StoredGroupedCalibration
from exray.schema import converted

SHIPPED_GROUPED: Mapping[str, Path] = MappingProxyType(
    {
        "portfolio": Path(__file__).with_name("calibration_portfolio.json"),
        "portfolio_uneven": Path(__file__).with_name("calibration_portfolio_uneven.json"),
    }
)
"""The grouped calibrations that come with exray, by the scanner they were fitted on.

``portfolio_uneven`` does without the traces that a training on unlike numbers of images leaves.
"""


DEFAULT = "abs_both"
"""The calibration for triggers of a scanner for which none was fitted."""


class ShippedRule(DecisionRule):
    """The shipped calibration of the scanner that found the triggers.

    Until the scanner is known it is that of ``abs_both``, and so it is for scanners that none was
    fitted for, which `remarks` says.
    """

    def __init__(self) -> None:
        self._unbound = CalibratedRule(file=DEFAULT)

    def for_scanner(self, scanner: str) -> DecisionRule:
        """The rule of the calibration that was fitted on a scanner's triggers.

        Args:
            scanner: The scanner's name in ``conf/scanner``.

        Raises:
            ValueError: If the calibration's file is missing.
        """
        name = next((name for name, known in SCANNERS.items() if scanner in known), DEFAULT)
        rule = calibrated_rule(file=name).for_scanner(scanner)
        other = SHIPPED_GROUPED.get(f"{name}_uneven")
        if other is None or not isinstance(rule, GroupedRule):
            return rule
        uneven = read_grouped_calibration(other)
        return GroupedRule(calibration=rule.calibration, uneven=uneven)

    def decide(self, measurements: Mapping[str, float]) -> Decision:
        """The verdict on one trigger of a scanner that is not known.

        Args:
            measurements: As ``ExrayJudge`` measures them.

        Raises:
            ValueError: If a measurement that the calibration needs was not taken.
        """
        return self._unbound.decide(measurements)

    def injects(self, measurements: Mapping[str, float]) -> bool:
        """Whether the trigger's probability is one half or more.

        Args:
            measurements: As ``ExrayJudge`` measures them.

        Raises:
            ValueError: If a measurement that the calibration needs was not taken.
        """
        return self._unbound.injects(measurements)

    @property
    def probability_without_triggers(self) -> float | None:
        """Share of trojaned models among those without a trigger in the tuning zoo, smoothed."""
        return self._unbound.probability_without_triggers

    def calibration_facts(self, rows: Sequence[Mapping[str, float]] = ()) -> Facts:
        """What the calibration was fitted on, and how often it was wrong on other models.

        Args:
            rows: Measurements of each of the model's triggers, as they were decided on.
        """
        return self._unbound.calibration_facts(rows)

    @property
    def fingerprint(self) -> str:
        """Hash of the calibration's numbers."""
        return self._unbound.fingerprint


def calibrated_rule(*, file: str | None) -> DecisionRule:
    """The rule of a calibration: of triggers one by one (format 1), or in groups (format 2).

    Args:
        file: The calibration, or the name of a shipped one; None for the shipped one that was
            fitted on the triggers of the scanner at hand.

    Raises:
        ValueError: If the file is missing or holds no calibration.
    """
    if file is None:
        return ShippedRule()
    if file in SHIPPED:
        return CalibratedRule(file=file)
    path = SHIPPED_GROUPED.get(file, Path(file))
    if read_json(path, _is_grouped):
        return GroupedRule(calibration=read_grouped_calibration(path))
    return CalibratedRule(file=file)


def read_grouped_calibration(path: Path) -> GroupedCalibration:
    """The calibration of groups in a file, which holds numbers and names and nothing to run.

    Args:
        path: As ``task=rejudge rejudge=portfolio`` writes it.

    Raises:
        ValueError: If there is no such file, or it holds no such calibration; names it.
    """
    return read_json(path, lambda values: converted(values, StoredGroupedCalibration).calibration())


def _is_grouped(values: object) -> bool:
    return isinstance(values, dict) and values.get("format") == FORMAT
