"""Whether probabilities mean what they say."""

import math
from dataclasses import dataclass

import numpy as np

from exray.evaluation.predictions import Predictions

BINS = 10


@dataclass(frozen=True, kw_only=True)
class CalibrationCurve:
    """Stated against observed probabilities, bin by bin; empty bins are left out.

    Args:
        stated: Mean stated probability in each bin.
        observed: Share of trojaned models in each bin.
        sizes: Models in each bin.
        error: Mean distance between stated and observed over the models (the expected calibration
            error); nan without models.
    """

    stated: tuple[float, ...]
    observed: tuple[float, ...]
    sizes: tuple[int, ...]
    error: float


def calibration_curve(predictions: Predictions, *, bins: int = BINS) -> CalibrationCurve:
    """How often models are trojaned among models of about the same stated probability.

    Models without a probability are left out.

    Args:
        predictions: Predictions with the truth.
        bins: Bins of equal width over [0, 1].

    Raises:
        ValueError: If ``bins`` is not positive.

    Example:
        >>> truth = np.array([True, False])
        >>> predictions = Predictions(name="", model_ids=("a", "b"), is_trojaned=truth,
        ...     flagged=truth, probability=np.array([0.9, 0.1]))
        >>> round(calibration_curve(predictions).error, 6)
        0.1
    """
    if bins < 1:
        raise ValueError(f"bins must be >= 1; got {bins}")
    known = predictions.select(np.flatnonzero(~np.isnan(predictions.probability)))
    if not len(known):
        return CalibrationCurve(stated=(), observed=(), sizes=(), error=math.nan)
    from sklearn.calibration import calibration_curve as curve  # slow to import

    observed, stated = curve(known.is_trojaned, known.probability, n_bins=bins, pos_label=True)
    places = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], known.probability)
    sizes = np.bincount(places, minlength=bins)
    sizes = sizes[sizes > 0]
    return CalibrationCurve(
        stated=tuple(stated.tolist()),
        observed=tuple(observed.tolist()),
        sizes=tuple(sizes.tolist()),
        error=float(np.abs(stated - observed) @ sizes / sizes.sum()),
    )
