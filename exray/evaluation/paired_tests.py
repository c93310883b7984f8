"""Two ways of deciding on the same classifiers: paired tests, and what a judge prunes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from exray.evaluation.bootstrap import RESAMPLES, Estimate, interval, resampling_weights
from exray.evaluation.metrics import resampled_scores, scores
from exray.evaluation.predictions import Predictions

COMPARED = ("accuracy", "balanced accuracy", "ROC-AUC", "cross-entropy", "Brier")


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """One way of deciding against another, model by model.

    Args:
        first: Name of the one.
        second: Name of the other.
        num_models: Classifiers that both answered.
        only_first_right: Models on which only the first is right.
        only_second_right: Models on which only the second is right.
        p_value: Of McNemar's exact test, two-sided: how likely so uneven a split is if both are
            right equally often; 1 where they never differ.
        differences: First minus second, of each of `COMPARED`, with intervals.
    """

    first: str
    second: str
    num_models: int
    only_first_right: int
    only_second_right: int
    p_value: float
    differences: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What a judge takes away from and leaves of a scanner's alarms.

    Args:
        fp_reduction: Share of the scanner's false positives that the judge removes; nan where the
            scanner has none.
        tp_loss: Share of the scanner's true positives that the judge loses; likewise.
        accuracy_gain: Accuracy with the judge minus accuracy without.
    """

    fp_reduction: Estimate
    tp_loss: Estimate
    accuracy_gain: Estimate


def paired_test(
    first: Predictions, second: Predictions, *, resamples: int = RESAMPLES, seed: int = 0
) -> PairedTest:
    """Whether two ways of deciding differ, on the models that both answered.

    Args:
        first: The one's predictions.
        second: The other's.
        resamples: Of the bootstrap of the differences.
        seed: Of the bootstrap.

    Raises:
        ValueError: If they have no model in common, or disagree about a model's ground truth.

    Source: McNemar 1947, in its exact binomial form.
    """
    one, two = in_common(first, second)
    only_first = int((one.is_right & ~two.is_right).sum())
    only_second = int((two.is_right & ~one.is_right).sum())
    weights = resampling_weights(one.is_trojaned, resamples=resamples, seed=seed)
    values = scores(one), scores(two)
    resampled = resampled_scores(one, weights), resampled_scores(two, weights)
    return PairedTest(
        first=one.name,
        second=two.name,
        num_models=len(one),
        only_first_right=only_first,
        only_second_right=only_second,
        p_value=_mcnemar(only_first, only_second),
        differences={
            name: interval(
                values[0][name] - values[1][name], resampled[0][name] - resampled[1][name]
            )
            for name in COMPARED
        },
    )


def pruning(
    scanner: Predictions, judged: Predictions, *, resamples: int = RESAMPLES, seed: int = 0
) -> Pruning:
    """False positives removed and true positives lost, as the paper counts them.

    Args:
        scanner: Predictions of the scanner alone.
        judged: Predictions of scanner and judge.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        ValueError: If they have no model in common, or disagree about a model's ground truth.

    Source: EX-RAY, section 4.1 and Table 1: 218 to 19 false positives is a reduction of 91 %,
    254 to 198 true positives a loss of 22 %.
    """
    alone, both = in_common(scanner, judged)
    weights = resampling_weights(alone.is_trojaned, resamples=resamples, seed=seed)
    before, after = scores(alone), scores(both)
    drawn = resampled_scores(alone, weights), resampled_scores(both, weights)

    def lost(name: str) -> Estimate:
        point = _lost(np.array([before[name]]), np.array([after[name]]))
        return interval(float(point[0]), _lost(drawn[0][name], drawn[1][name]))

    gain = drawn[1]["accuracy"] - drawn[0]["accuracy"]
    return Pruning(
        fp_reduction=lost("FP"),
        tp_loss=lost("TP"),
        accuracy_gain=interval(after["accuracy"] - before["accuracy"], gain),
    )


def in_common(first: Predictions, second: Predictions) -> tuple[Predictions, Predictions]:
    """Both ways' predictions about the models that both answered, in one order.

    Raises:
        ValueError: If they have no model in common, or disagree about a model's ground truth.
    """
    shared = sorted(set(first.model_ids) & set(second.model_ids))
    if not shared:
        raise ValueError(
            f"{first.name} and {second.name} have no model in common; give records of one zoo"
        )
    one, two = (_ordered(predictions, shared) for predictions in (first, second))
    unlike = np.flatnonzero(one.is_trojaned != two.is_trojaned)
    if unlike.size:
        raise ValueError(
            f"{first.name} and {second.name} disagree whether {shared[unlike[0]]} is trojaned; "
            "give records of one zoo"
        )
    return one, two


def _ordered(predictions: Predictions, model_ids: list[str]) -> Predictions:
    places = {model_id: place for place, model_id in enumerate(predictions.model_ids)}
    return predictions.select(np.array([places[model_id] for model_id in model_ids]))


def _mcnemar(only_first: int, only_second: int) -> float:
    if only_first + only_second == 0:
        return 1.0
    from scipy.stats import binomtest  # slow to import

    return float(binomtest(only_first, only_first + only_second).pvalue)


def _lost(before: Float[ndarray, " b"], after: Float[ndarray, " b"]) -> Float[ndarray, " b"]:
    """Share of ``before`` that is gone in ``after``; nan where there was nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before > 0, 1 - after / before, math.nan)
