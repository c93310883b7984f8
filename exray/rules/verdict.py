"""A classifier's verdict: what follows from the decisions on its triggers."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

import pandas as pd

UNDECIDED = 0.5  # probability of a classifier of which nothing can be said
INJECTED_SCORE = 0.5  # a trigger is injected exactly when its score reaches this


class Verdict(StrEnum):
    """What a scan says about a classifier."""

    CLEAN = "clean"
    NATURAL_ONLY = "natural-only"
    TROJANED = "trojaned"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"


@runtime_checkable
class TriggerDecision(Protocol):
    """What a judge or a rule says about one trigger."""

    @property
    def is_injected(self) -> bool:
        """Whether the trigger is injected rather than natural."""

    @property
    def score(self) -> float:
        """How much speaks for injected, in [0, 1]."""


def model_verdict(
    decisions: Sequence[TriggerDecision], *, is_inconclusive: bool, without_triggers: float
) -> tuple[Verdict, float]:
    """A classifier's verdict and its probability of being trojaned.

    One injected trigger makes it trojaned; the probability is the highest score of its triggers.

    Args:
        decisions: One per trigger of the classifier.
        is_inconclusive: Whether the scan could say nothing, triggers or not.
        without_triggers: Probability of a classifier in which no trigger was found, in [0, 1].

    Example:
        >>> model_verdict((), is_inconclusive=False, without_triggers=0.1)
        (<Verdict.CLEAN: 'clean'>, 0.1)
    """
    if is_inconclusive:
        return Verdict.INCONCLUSIVE, UNDECIDED
    if not decisions:
        return Verdict.CLEAN, without_triggers
    is_trojaned = any(decision.is_injected for decision in decisions)
    verdict = Verdict.TROJANED if is_trojaned else Verdict.NATURAL_ONLY
    return verdict, max(decision.score for decision in decisions)


def model_verdicts(
    model_ids: Sequence[str],
    triggers: pd.DataFrame,
    *,
    is_inconclusive: pd.Series | bool,
    without_triggers: pd.Series | float,
) -> pd.DataFrame:
    """:func:`model_verdict` of many classifiers at once, over tables.

    Args:
        model_ids: The classifiers, each once.
        triggers: One row per trigger with ``model_id``, ``is_injected`` and ``score``; those of
            other classifiers do not count.
        is_inconclusive: Per classifier, in their order, or the same for all.
        without_triggers: Probability of a classifier without triggers; likewise.

    Returns:
        ``verdict``, ``probability``, ``num_triggers`` and ``num_injected``, one row per classifier,
        in their order and indexed from 0.
    """
    ids = pd.Series(list(model_ids), dtype=object)
    by_model = triggers.groupby(triggers["model_id"].astype(str))
    counts = ids.map(by_model.size()).fillna(0).astype("int64")
    injected = ids.map(by_model["is_injected"].sum()).fillna(0).astype("int64")
    probability = ids.map(by_model["score"].max()).astype(float)
    verdict = pd.Series(Verdict.CLEAN.value, index=ids.index, dtype=object)
    verdict[counts > 0] = Verdict.NATURAL_ONLY.value
    verdict[injected > 0] = Verdict.TROJANED.value
    undecided = _per_model(is_inconclusive, ids).astype(bool)
    probability = probability.fillna(_per_model(without_triggers, ids).astype(float))
    return pd.DataFrame(
        {
            "verdict": verdict.mask(undecided, Verdict.INCONCLUSIVE.value),
            "probability": probability.mask(undecided, UNDECIDED),
            "num_triggers": counts,
            "num_injected": injected,
        }
    )


def flagged_verdict(verdict: str, *, is_flagged: bool) -> str:
    """The verdict that says whether a classifier is flagged, and otherwise what it said before.

    Args:
        verdict: What was said of it.
        is_flagged: What another way of deciding says.

    Example:
        >>> flagged_verdict("clean", is_flagged=True), flagged_verdict("clean", is_flagged=False)
        ('trojaned', 'clean')
    """
    if is_flagged == (verdict == Verdict.TROJANED.value):
        return verdict
    return Verdict.TROJANED.value if is_flagged else Verdict.NATURAL_ONLY.value


def _per_model(value: "pd.Series | bool | float", ids: pd.Series) -> pd.Series:
    """One value per classifier, whatever index it came with."""
    if isinstance(value, pd.Series):
        return value.reset_index(drop=True)
    return pd.Series(value, index=ids.index)
