"""Logistic regression under a ridge whose weights keep the signs that theory fixes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from exray.evaluation.rejudging.fitting import PRIOR_COUNT


@dataclass(frozen=True, kw_only=True, eq=False)
class SignedLogistic:
    """A logistic regression's numbers.

    Args:
        weight: Of each feature; 0 where it was dropped for its sign.
        bias: Log-odds where all features are 0.
    """

    weight: Float[ndarray, " f"]
    bias: float

    def log_odds(self, scaled: Float[ndarray, "t f"]) -> Float[ndarray, " t"]:
        """Of every row."""
        log_odds: Float[ndarray, " t"] = scaled @ self.weight + self.bias
        return log_odds


def signed_logistic(
    scaled: Float[ndarray, "t f"],
    labels: Int[ndarray, " t"],
    *,
    signs: Int[ndarray, " f"],
    sample_weights: Float[ndarray, " t"],
    penalty: float,
    prior: float,
) -> SignedLogistic:
    """The ridge's weights, without the features whose weights would have the wrong sign.

    The feature of the largest wrong weight is dropped and the rest fitted anew, until no sign is
    wrong. Without a feature, or where all labels are equal, the smoothed share is left.

    Args:
        scaled: Features in standard deviations.
        labels: 1 or 0.
        signs: 1 or -1 where a weight's sign is fixed; else 0.
        sample_weights: How much each row counts.
        penalty: Inverse strength of the ridge, scikit-learn's C.
        prior: Share of 1 among two pseudo-counts, where no feature is left.
    """
    weight = np.zeros(scaled.shape[1])
    kept = list(range(scaled.shape[1]))
    while kept and len(np.unique(labels)) == 2:
        from sklearn.linear_model import LogisticRegression  # slow to import

        model = LogisticRegression(C=penalty).fit(
            scaled[:, kept], labels, sample_weight=sample_weights
        )
        fitted = model.coef_[0].astype(np.float64)
        wrong = np.where(fitted * signs[kept] < 0, np.abs(fitted), 0.0)
        if not wrong.any():
            weight[kept] = fitted
            return SignedLogistic(weight=weight, bias=float(model.intercept_[0]))
        del kept[int(wrong.argmax())]
    hits = float(sample_weights[labels == 1].sum()) + PRIOR_COUNT * prior
    misses = float(sample_weights[labels == 0].sum()) + PRIOR_COUNT * (1 - prior)
    return SignedLogistic(weight=weight, bias=float(np.log(hits / misses)))
