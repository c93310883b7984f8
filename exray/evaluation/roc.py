"""How many trojaned models are caught at the price of how many clean ones."""

from dataclasses import dataclass

import numpy as np

from exray.evaluation.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class RocCurve:
    """True against false positive rate, over all thresholds of the probability.

    Args:
        fpr: Share of the clean models that are flagged, ascending from 0 to 1.
        tpr: Share of the trojaned models that are flagged.
    """

    fpr: tuple[float, ...]
    tpr: tuple[float, ...]


def roc_curve(predictions: Predictions) -> RocCurve | None:
    """The curve of one way of deciding; None without probabilities of both kinds of model.

    Args:
        predictions: Predictions with the truth; models without a probability are left out.

    Example:
        >>> truth = np.array([True, False])
        >>> predictions = Predictions(name="", model_ids=("a", "b"), is_trojaned=truth,
        ...     flagged=truth, probability=np.array([0.9, 0.1]))
        >>> roc_curve(predictions)
        RocCurve(fpr=(0.0, 0.0, 1.0), tpr=(0.0, 1.0, 1.0))
    """
    known = predictions.select(np.flatnonzero(~np.isnan(predictions.probability)))
    if len(set(known.is_trojaned.tolist())) < 2:
        return None
    from sklearn.metrics import roc_curve as curve  # slow to import

    fpr, tpr, _ = curve(known.is_trojaned, known.probability)
    return RocCurve(fpr=tuple(fpr.tolist()), tpr=tuple(tpr.tolist()))
