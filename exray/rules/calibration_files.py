"""The rule that a calibration's file describes, of either format."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from exray.rules.base import DecisionRule
from exray.rules.calibrated import CalibratedRule
from exray.rules.calibration import SHIPPED, read_json
from exray.rules.grouped import GroupedRule
from exray.rules.grouped_calibration import FORMAT, GroupedCalibration, StoredGroupedCalibration
from exray.schema import converted

SHIPPED_GROUPED: Mapping[str, Path] = MappingProxyType(
    {"portfolio": Path(__file__).with_name("calibration_portfolio.json")}
)
"""The grouped calibrations that come with exray, by the scanner they were fitted on."""


def calibrated_rule(*, file: str | None) -> DecisionRule:
    """The rule of a calibration: of triggers one by one (format 1), or in groups (format 2).

    Args:
        file: The calibration, or the name of a shipped one; None for the shipped ``abs_both``.

    Raises:
        ValueError: If the file is missing or holds no calibration.
    """
    if file is None or file in SHIPPED:
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
