"""What the fits of both formats of calibrations share: scaling, smoothed shares and folds."""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from exray.rules.calibration import WIDEST

PRIOR_COUNT = 2.0  # pseudo-models behind a share of few, or of none


def moments(
    inputs: Float[ndarray, "t f"],
) -> tuple[Float[ndarray, " f"], Float[ndarray, " f"]]:
    """Mean and standard deviation of each feature over the triggers that it applies to.

    Args:
        inputs: The features of every trigger; nan where one does not apply.
    """
    from sklearn.preprocessing import StandardScaler  # slow to import

    applies = np.isfinite(inputs).any(axis=0)
    scaler = StandardScaler().fit(np.where(applies, inputs, 0.0))
    centre: Float[ndarray, " f"] = scaler.mean_
    scale: Float[ndarray, " f"] = scaler.scale_
    return centre, scale


def standardized(
    inputs: Float[ndarray, "t f"], centre: Float[ndarray, " f"], scale: Float[ndarray, " f"]
) -> Float[ndarray, "t f"]:
    """Standard deviations from the mean, at most three; zero where a feature does not apply.

    Args:
        inputs: The features of every trigger.
        centre: Their means.
        scale: Their standard deviations.
    """
    clipped = np.clip((inputs - centre) / scale, -WIDEST, WIDEST)
    return np.where(np.isnan(clipped), 0.0, clipped)


def smoothed(
    hits: Bool[ndarray, " n"], prior: float, *, weights: Float[ndarray, " n"] | None = None
) -> float:
    """A share that is never 0 or 1, and the prior where there is nothing to count.

    Args:
        hits: What is counted.
        prior: The share among two pseudo-counts.
        weights: How much each counts; None for 1.

    Example:
        >>> smoothed(np.array([True, True]), 0.25)
        0.625
    """
    counted = np.ones(len(hits)) if weights is None else weights
    return float((counted[hits].sum() + PRIOR_COUNT * prior) / (counted.sum() + PRIOR_COUNT))


def stratified_folds(
    is_trojaned: Bool[ndarray, " m"], models: Bool[ndarray, " m"], *, count: int, seed: int
) -> list[Bool[ndarray, " m"]]:
    """Some models in folds stratified by ground truth; fewer folds of few models, none of one.

    Args:
        is_trojaned: Ground truth of all models.
        models: Which of them are cut.
        count: Number of folds.
        seed: Of the cuts.

    Returns:
        Of each fold, which of all models are in it.
    """
    from sklearn.model_selection import StratifiedKFold  # slow to import

    places = np.flatnonzero(models)
    truth = is_trojaned[places]
    count = min(count, int(truth.sum()), int((~truth).sum()))
    if count < 2:
        return []
    split = StratifiedKFold(count, shuffle=True, random_state=seed).split(places, truth)
    return [np.isin(np.arange(len(models)), places[held_out]) for _, held_out in split]
