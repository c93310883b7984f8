"""Fits the last step of a grouped calibration: slope, count and the threshold of a stated rate."""

import math
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from exray.rules.grouped_calibration import Combination, ModelLevel

ThresholdRule = Literal["conformal", "balanced"]
PLATT_C = 1.0  # inverse strength of the ridge on the slopes
FLATTEST = 0.05  # least slope, so that the order of models is kept


def fitted_level(
    evidence: Float[ndarray, " k"],
    counts: Int[ndarray, " k"],
    is_trojaned: Bool[ndarray, " k"],
    *,
    weights: Float[ndarray, " k"],
    num_silent: int,
    combination: Combination,
    rule: ThresholdRule,
    false_positive_rate: float,
) -> ModelLevel:
    """The step from evidence to a model's log-odds, by Platt scaling pinned to a threshold.

    First Platt scaling says what the number of triggers takes off (of ``maximum`` alone; a weight
    above 0 is dropped). Then the threshold is chosen on the clean models, and a second fit has the
    two slopes of log-odds that are 0 at the threshold, a probability of one half: where a scanner
    misses many trojaned models, little evidence says less for clean than much says for trojaned.

    Args:
        evidence: Of each model with a trigger, from fits that did not see it.
        counts: Number of its triggers.
        is_trojaned: Its ground truth.
        weights: How much each counts in slopes and in the share of trojaned models found.
        num_silent: Number of clean models without a trigger, which no threshold flags.
        combination: How the evidence was combined.
        rule: ``conformal`` for the lowest threshold of the rate, ``balanced`` for the one of the
            highest balanced accuracy from there on.
        false_positive_rate: Highest expected share of clean models that are flagged.
    """
    logs = np.log(counts)
    weight = 0.0
    if combination == "maximum":
        weight = _count_weight(evidence, logs, is_trojaned, weights)
    scores = evidence + weight * logs
    silent = np.full(num_silent, -math.inf)
    clean = np.concatenate([scores[~is_trojaned], silent])
    value = conformal_score(clean, false_positive_rate)
    threshold = _between(scores, value)
    if rule == "balanced":
        threshold = _most_balanced(
            scores, is_trojaned, num_silent, weights=weights, at_least=threshold
        )
    num_above = int((clean >= threshold).sum())
    above, below = _slopes(scores - threshold, is_trojaned, weights)
    return ModelLevel(
        combination=combination,
        slope_above=above,
        slope_below=below,
        count_weight=weight,
        threshold=threshold,
        false_positive_rate=(num_above + 1) / (len(clean) + 2),
    )


def conformal_score(clean: Float[ndarray, " n"], false_positive_rate: float) -> float:
    """The score above which a new clean model lies at most as often as a rate says.

    By split conformal prediction: of n clean models and a new one, all exchangeable, the new one is
    among the ``floor((n + 1) * rate)`` highest with that probability. Where n is too small for the
    rate (below ``1 / rate - 1``) it is the highest score, whose rate is ``1 / (n + 1)``.

    Args:
        clean: Scores of clean models that were not fitted on.
        false_positive_rate: The rate, in (0, 1).

    Example:
        >>> conformal_score(np.arange(19.0), 0.1), conformal_score(np.arange(3.0), 0.1)
        (17.0, 2.0)

    Source: Vovk et al. 2005; the threshold of CBD (Xiang et al., 2023) without presumed outliers.
    """
    if not len(clean):
        return -math.inf
    allowed = max(math.floor((len(clean) + 1) * false_positive_rate + 1e-9), 1)
    return float(np.sort(clean)[len(clean) - allowed])


def _between(scores: Float[ndarray, " k"], value: float) -> float:
    """Half way from a score to the next higher one; a little above the highest."""
    higher = scores[scores > value]
    if not len(higher):
        return value + 1.0 if math.isfinite(value) else 0.0
    lowest = float(higher.min())
    return (value + lowest) / 2 if math.isfinite(value) else lowest - 1.0


def _most_balanced(
    scores: Float[ndarray, " k"],
    is_trojaned: Bool[ndarray, " k"],
    num_silent: int,
    *,
    weights: Float[ndarray, " k"],
    at_least: float,
) -> float:
    """The threshold, not below one, of the highest balanced accuracy; of equals the widest gap."""
    above = np.unique(scores[scores >= at_least])
    cuts = [(at_least, math.inf), *((float(a + b) / 2, b - a) for a, b in _neighbours(above))]
    num_clean = int((~is_trojaned).sum()) + num_silent
    if not is_trojaned.any() or not num_clean:
        return at_least

    def merit(cut: tuple[float, float]) -> tuple[float, float]:
        flagged = scores >= cut[0]
        tpr = np.average(flagged[is_trojaned], weights=weights[is_trojaned])
        fpr = flagged[~is_trojaned].sum() / num_clean
        return round(float(tpr - fpr), 9), cut[1]

    return max(cuts, key=merit)[0]


def _neighbours(values: Float[ndarray, " n"]) -> list[tuple[float, float]]:
    return list(zip(values[:-1].tolist(), values[1:].tolist(), strict=True))


def _count_weight(
    evidence: Float[ndarray, " k"],
    logs: Float[ndarray, " k"],
    is_trojaned: Bool[ndarray, " k"],
    weights: Float[ndarray, " k"],
) -> float:
    """What the logarithm of the count takes off the evidence, in its unit; 0 or less."""
    if len(np.unique(is_trojaned)) < 2:
        return 0.0
    from sklearn.linear_model import LogisticRegression  # slow to import

    inputs = np.stack([evidence, logs], axis=1)
    model = LogisticRegression(C=PLATT_C).fit(inputs, is_trojaned, sample_weight=weights)
    slope, count = (float(value) for value in model.coef_[0])
    return min(count / slope, 0.0) if slope >= FLATTEST else 0.0


def _slopes(
    distances: Float[ndarray, " k"],
    is_trojaned: Bool[ndarray, " k"],
    weights: Float[ndarray, " k"],
) -> tuple[float, float]:
    """Slopes above and below the threshold, of log-odds that are 0 there, by cross-entropy."""
    if len(np.unique(is_trojaned)) < 2:
        return 1.0, 1.0
    from sklearn.linear_model import LogisticRegression  # slow to import

    sides = np.stack([np.maximum(distances, 0.0), np.minimum(distances, 0.0)], axis=1)
    model = LogisticRegression(C=PLATT_C, fit_intercept=False)
    model.fit(sides, is_trojaned, sample_weight=weights)
    above, below = (max(float(slope), FLATTEST) for slope in model.coef_[0])
    return above, below
