"""What the dashboard shows of judges, models and triggers, ready to be laid out."""

import math
from dataclasses import dataclass

from exray.evaluation.calibration_curve import CalibrationCurve
from exray.evaluation.metrics import Statistics
from exray.evaluation.paired_tests import Pruning
from exray.reports.trigger_cards import TriggerCard
from exray.results.records import ScanRecord


@dataclass(frozen=True, kw_only=True)
class JudgeView:
    """One judge's column and curves.

    Args:
        key: Of its colour and of the box that hides its curves.
        name: What tables call it.
        statistics: Its figures; None without ground truth.
        pruned: How it changes the scanner's positives; None without ground truth.
        roc: Its ROC curve as an SVG path in a square of 100; empty without one.
        calibration: Its reliability curve; None without one.
        report: Address of its own report, relative to the page; empty without one.
        caption: How complete its records are.
    """

    key: str
    name: str
    statistics: Statistics | None
    pruned: Pruning | None
    roc: str
    calibration: CalibrationCurve | None
    report: str
    caption: str

    @property
    def bins(self) -> list[tuple[float, float, float]]:
        """Stated and observed share of each bin, with the radius of its dot."""
        if self.calibration is None:
            return []
        curve, total = self.calibration, sum(self.calibration.sizes)
        return [
            (stated, observed, 2 + 9 * math.sqrt(size / total))
            for stated, observed, size in zip(
                curve.stated, curve.observed, curve.sizes, strict=True
            )
        ]


@dataclass(frozen=True, kw_only=True)
class JudgeCell:
    """What one judge says of one model, or of one trigger.

    Args:
        judge: The judge.
        word: The verdict in a word; ``missing`` without a record.
        score: Probability or score; nan without one.
        is_wrong: Whether it contradicts the ground truth; False where that is unknown.
        note: More about it, as a tooltip.
    """

    judge: JudgeView
    word: str
    score: float
    is_wrong: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class TriggerView:
    """One trigger, the reference judge's card of it, and what all judges say."""

    card: TriggerCard
    is_drawn: bool
    judge_cells: list[JudgeCell]


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """One model's row and its details.

    Args:
        anchor: Where links to it lead.
        record: The reference judge's record, or another's if it has none.
        judge_cells: One per judge, in the columns' order.
        triggers: Most suspicious first.
        classes: CSS classes that the page's filters use.
    """

    anchor: str
    record: ScanRecord
    judge_cells: list[JudgeCell]
    triggers: list[TriggerView]
    classes: str
