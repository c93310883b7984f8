"""The paper's claims about its method, and the goals beyond, held against a table's rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from exray.evaluation.bootstrap import Estimate
from exray.evaluation.metrics import statistics
from exray.evaluation.paired_tests import pruning
from exray.evaluation.predictions import scanner_alone, with_judge
from exray.experiments.rows import BEST, FROZEN
from exray.reports.formatting import with_interval

METHOD, CALIBRATED = "exray", "exray_calibrated"
ONE_SIDED = ("one_sided_v_to_t", "one_sided_t_to_v")
_VARIANTS = ("exray_no_check", "none")


@dataclass(frozen=True, kw_only=True)
class PaperClaim:
    """One claim, and the figure that decides it.

    Args:
        text: The claim.
        figure: The figure, with its interval where it has one.
        holds: Whether it does; None where nothing can be said.
    """

    text: str
    figure: str
    holds: bool | None


def paper_claims(rows: pd.DataFrame) -> list[PaperClaim]:
    """What the paper says of its Table 1, on our rows of one column.

    Args:
        rows: A row per model and row of the table, as `ExperimentTable.frame` gives it.

    Source: EX-RAY, section 4.1.
    """
    own = rows[rows["row"] == METHOD]
    if not len(own):
        return []
    lost = pruning(scanner_alone(own), with_judge(own))
    names = [str(name) for name in rows["row"].unique()]
    baselines = [name for name in names if _is_baseline(name)]
    one_sided = [name for name in names if name in ONE_SIDED]
    least = "the paper: 78-100 %"
    best = [name for name in baselines if FROZEN not in name]
    frozen = [name for name in baselines if BEST not in name]
    alike = [
        _beats(rows, f"exray beats every baseline, {threshold}, its own too", others, own=own_row)
        for threshold, others, own_row in (
            ("at the best separation", best, f"{METHOD}, {BEST}"),
            ("thresholds frozen", frozen, f"{METHOD}, {FROZEN}"),
        )
        if own_row in names
    ]
    return [
        _at_least(
            f"exray removes 78 % or more of the false positives ({least})", lost.fp_reduction, 0.78
        ),
        _at_most("exray loses 30 % or less of the true positives", lost.tp_loss, 0.30),
        _at_least(
            "exray gains 17 points of accuracy or more (the paper: 17-41)", lost.accuracy_gain, 0.17
        ),
        _beats(rows, "exray beats every baseline, at the best separation", best),
        _beats(rows, "exray beats every baseline, thresholds frozen", frozen),
        *alike,
        _beats(rows, "symmetric beats one-sided", one_sided),
    ]


def goals_beyond(rows: pd.DataFrame) -> list[PaperClaim]:
    """What the calibrated judge is to reach, on our rows of one column.

    Args:
        rows: A row per model and row of the table.
    """
    own = rows[rows["row"] == CALIBRATED]
    if not len(own):
        return []
    lost = pruning(scanner_alone(own), with_judge(own))
    figures = statistics(with_judge(own)).estimates
    name = CALIBRATED
    return [
        _at_least(f"{name} removes 90 % or more of the false positives", lost.fp_reduction, 0.90),
        _at_most(f"{name} loses 10 % or less of the true positives", lost.tp_loss, 0.10),
        _at_least(f"{name}: balanced accuracy 0.90 or more", figures["balanced accuracy"], 0.90),
        _at_least(f"{name}: ROC-AUC 0.93 or more", figures["ROC-AUC"], 0.93),
        _at_most(f"{name}: cross-entropy 0.30 or less", figures["cross-entropy"], 0.30),
    ]


def _is_baseline(name: str) -> bool:
    """Whether a row is one of the paper's eight baselines."""
    return not name.startswith(METHOD) and name not in _VARIANTS


def _at_least(text: str, estimate: Estimate, bar: float) -> PaperClaim:
    return PaperClaim(
        text=text, figure=with_interval(estimate), holds=_compared(estimate.value - bar)
    )


def _at_most(text: str, estimate: Estimate, bar: float) -> PaperClaim:
    return PaperClaim(
        text=text, figure=with_interval(estimate), holds=_compared(bar - estimate.value)
    )


def _beats(rows: pd.DataFrame, text: str, others: Sequence[str], own: str = METHOD) -> PaperClaim:
    """Whether the method's accuracy, by its own row, is above that of each of some rows."""
    accuracies = {
        name: with_judge(rows[rows["row"] == name]).counts.accuracy for name in (own, *others)
    }
    ours = accuracies.pop(own)
    if not accuracies:
        return PaperClaim(text=text, figure="no such row", holds=None)
    unbeaten = [f"{name} {value:.3f}" for name, value in accuracies.items() if value >= ours]
    best = max(accuracies, key=lambda name: accuracies[name])
    figure = (
        f"{ours:.3f}; not beaten: {', '.join(unbeaten)}"
        if unbeaten
        else (f"{ours:.3f}; the best of them: {best} {accuracies[best]:.3f}")
    )
    return PaperClaim(text=text, figure=figure, holds=not unbeaten)


def _compared(margin: float) -> bool | None:
    return None if math.isnan(margin) else margin >= -1e-12
