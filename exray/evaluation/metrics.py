"""The figures that every table prints, each with a bootstrap interval over models."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from exray.evaluation.bootstrap import RESAMPLES, Estimate, interval, resampling_weights
from exray.evaluation.confusion import Counts
from exray.evaluation.predictions import Predictions

AT_ONCE = 2_000_000  # weights that are sorted together, for memory's sake
CLIP = 1e-12  # NIST clips probabilities to [1e-12, 1 - 1e-12] before the logarithm
METRICS = (
    "TP",
    "FP",
    "TPR",
    "FPR",
    "accuracy",
    "balanced accuracy",
    "ROC-AUC",
    "cross-entropy",
    "Brier",
)
_OF_PROBABILITY = ("ROC-AUC", "cross-entropy", "Brier")


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """How well one way of deciding does on a set of classifiers.

    Args:
        name: The way of deciding.
        counts: The four counts.
        estimates: Each of `METRICS` with its interval.
    """

    name: str
    counts: Counts
    estimates: Mapping[str, Estimate]


def statistics(
    predictions: Predictions, *, resamples: int = RESAMPLES, seed: int = 0
) -> Statistics:
    """All figures of one way of deciding.

    Args:
        predictions: Its predictions with the truth.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    (figures,) = statistics_of_all([predictions], resamples=resamples, seed=seed)
    return figures


def statistics_of_all(
    ways: Sequence[Predictions], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Statistics]:
    """All figures of several ways of deciding, which share resamples where they share models.

    Args:
        ways: The predictions of each.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    drawn: dict[bytes, Float[ndarray, "b n"]] = {}
    figures = []
    for predictions in ways:
        truth = predictions.is_trojaned
        if truth.tobytes() not in drawn:
            weights = resampling_weights(truth, resamples=resamples, seed=seed)
            drawn[truth.tobytes()] = weights
        values = scores(predictions)
        resampled = resampled_scores(predictions, drawn[truth.tobytes()])
        estimates = {name: interval(values[name], resampled[name]) for name in METRICS}
        figures.append(
            Statistics(name=predictions.name, counts=predictions.counts, estimates=estimates)
        )
    return figures


def scores(predictions: Predictions) -> dict[str, float]:
    """Each of `METRICS` on the models themselves; nan where it is not defined.

    The cross-entropy is TrojAI's: in nats, of probabilities clipped as NIST clips them. ROC-AUC
    needs both kinds of model; equal scores of a trojaned and a clean model count one half.

    Args:
        predictions: Predictions with the truth.

    Source: usnistgov/trojai-test-harness, metrics. *Differs from NIST:* the area under the curve
    is exact, not over 101 thresholds, and failed scans are left out, not given 0.5.
    """
    counts = predictions.counts
    values = {
        "TP": float(counts.tp),
        "FP": float(counts.fp),
        "TPR": counts.tpr,
        "FPR": counts.fpr,
        "accuracy": counts.accuracy,
        "balanced accuracy": counts.balanced_accuracy,
    }
    return values | _probability_scores(predictions)


def resampled_scores(
    predictions: Predictions, weights: Float[ndarray, "b n"]
) -> dict[str, Float[ndarray, " b"]]:
    """Each of `METRICS` on every resample at once.

    The same figures as `scores`, which a test holds it to, as products of matrices: a call of
    scikit-learn for each resample would take a thousand times as long.

    Args:
        predictions: Predictions with the truth.
        weights: How often each model is drawn in each resample.
    """
    truth, flagged = predictions.is_trojaned, predictions.flagged
    columns = np.stack([flagged & truth, flagged & ~truth, truth, ~truth], axis=1)
    tp, fp, trojaned, clean = (weights @ columns.astype(np.float64)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        tpr, fpr = tp / trojaned, fp / clean
        figures = {
            "TP": tp,
            "FP": fp,
            "TPR": tpr,
            "FPR": fpr,
            "accuracy": (tp + clean - fp) / (trojaned + clean),
            "balanced accuracy": (tpr + 1 - fpr) / 2,
        }
        return figures | _resampled_of_probability(predictions, weights)


def cross_entropies(predictions: Predictions) -> Float[ndarray, " n"]:
    """The cross-entropy of each prediction, in nats, clipped as NIST does.

    Args:
        predictions: Predictions with the truth.
    """
    clipped = np.clip(predictions.probability, CLIP, 1 - CLIP)
    losses: Float[ndarray, " n"] = -np.log(np.where(predictions.is_trojaned, clipped, 1 - clipped))
    return losses


def _probability_scores(predictions: Predictions) -> dict[str, float]:
    """What scikit-learn makes of the probabilities."""
    if not len(predictions) or np.isnan(predictions.probability).any():
        return dict.fromkeys(_OF_PROBABILITY, math.nan)
    # Takes over a second to import; composing a configuration must not pay for it.
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

    truth, probability = predictions.is_trojaned, predictions.probability
    clipped = np.clip(probability, CLIP, 1 - CLIP)
    has_both = len(np.unique(truth)) == 2
    return {
        "ROC-AUC": float(roc_auc_score(truth, probability)) if has_both else math.nan,
        "cross-entropy": float(log_loss(truth, clipped, labels=[False, True])),
        "Brier": float(brier_score_loss(truth, probability, pos_label=True)),
    }


def _resampled_of_probability(
    predictions: Predictions, weights: Float[ndarray, "b n"]
) -> dict[str, Float[ndarray, " b"]]:
    """The figures of the probabilities, on every resample; nan without probabilities."""
    if np.isnan(predictions.probability).any():
        return dict.fromkeys(_OF_PROBABILITY, np.full(len(weights), np.nan))
    truth, probability = predictions.is_trojaned, predictions.probability
    total = weights.sum(axis=1)
    return {
        "ROC-AUC": _resampled_auc(predictions, weights),
        "cross-entropy": weights @ cross_entropies(predictions) / total,
        "Brier": weights @ np.square(probability - truth) / total,
    }


def _resampled_auc(
    predictions: Predictions, weights: Float[ndarray, "b n"]
) -> Float[ndarray, " b"]:
    """The area under the ROC curve on every resample; nan where a kind of model is absent.

    Models of one probability are taken together, lowest first: a trojaned one wins against the
    clean ones below it and halves with those beside it. All sums are of whole numbers and halves,
    so they are exact.
    """
    truth, probability = predictions.is_trojaned, predictions.probability
    _, level = np.unique(probability, return_inverse=True)
    order = np.argsort(level, kind="stable")
    begins = np.flatnonzero(np.diff(level[order], prepend=-1))
    areas = [
        _areas(rows[:, order] * truth[order], rows[:, order] * ~truth[order], begins)
        for rows in np.array_split(weights, max(weights.size // AT_ONCE, 1))
    ]
    return np.concatenate(areas)


def _areas(
    trojaned: Float[ndarray, "b n"], clean: Float[ndarray, "b n"], begins: Int[ndarray, " levels"]
) -> Float[ndarray, " b"]:
    """Areas under the ROC curve of models in ascending order, by where each level begins."""
    if not begins.size:
        return np.full(len(trojaned), np.nan)
    trojaned, clean = (np.add.reduceat(part, begins, axis=1) for part in (trojaned, clean))
    below = np.cumsum(clean, axis=1) - clean
    won = (trojaned * (below + 0.5 * clean)).sum(axis=1)
    areas: Float[ndarray, " b"] = won / (trojaned.sum(axis=1) * clean.sum(axis=1))
    return areas
