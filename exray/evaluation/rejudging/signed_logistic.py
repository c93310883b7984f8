"""Logistic regression under a ridge whose weights keep the signs that theory fixes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from exray.evaluation.rejudging.fitting import PRIOR_COUNT

_MOST_STEPS = 30
_LARGEST = 500.0  # log-odds whose exponential is finite
_JITTER = 1e-10  # keeps the curvature invertible where all chances are certain
_TOLERANCE = 1e-10  # relative gain in loss of the last step


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
    towards: float = 0.0,
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
        towards: What the ridge draws every weight to.
    """
    weight = np.zeros(scaled.shape[1])
    kept = list(range(scaled.shape[1]))
    while kept and len(np.unique(labels)) == 2:
        fitted, bias = ridge_logistic(
            scaled[:, kept],
            labels,
            sample_weights=sample_weights,
            penalty=penalty,
            towards=towards,
        )
        wrong = np.where(fitted * signs[kept] < 0, np.abs(fitted), 0.0)
        if not wrong.any():
            weight[kept] = fitted
            return SignedLogistic(weight=weight, bias=bias)
        del kept[int(wrong.argmax())]
    hits = float(sample_weights[labels == 1].sum()) + PRIOR_COUNT * prior
    misses = float(sample_weights[labels == 0].sum()) + PRIOR_COUNT * (1 - prior)
    return SignedLogistic(weight=weight, bias=float(np.log(hits / misses)))


def ridge_logistic(
    scaled: Float[ndarray, "t f"],
    labels: Int[ndarray, " t"],
    *,
    sample_weights: Float[ndarray, " t"],
    penalty: float,
    towards: float = 0.0,
) -> tuple[Float[ndarray, " f"], float]:
    """Weights and bias of a ridge logistic regression, by Newton's method.

    A choice fits some ten thousand of a few features each, for which scikit-learn's checks take
    most of the time; a test holds the result to its ``LogisticRegression``.

    Args:
        scaled: Features in standard deviations.
        labels: 1 or 0, both of them present.
        sample_weights: How much each row counts.
        penalty: Inverse strength of the ridge, scikit-learn's C; the bias is free.
        towards: What the ridge draws every weight to.
    """
    rows = np.column_stack([scaled, np.ones(len(scaled))])
    ridge = np.diag([1 / penalty] * scaled.shape[1] + [0.0])
    centre = np.array([towards] * scaled.shape[1] + [0.0])
    parameters = centre.copy()
    loss = _loss(parameters, rows, labels, sample_weights, ridge, centre)
    for _ in range(_MOST_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(rows @ parameters, -_LARGEST, _LARGEST)))
        gradient = rows.T @ (sample_weights * (chance - labels)) + ridge @ (parameters - centre)
        curvature = (rows.T * (sample_weights * chance * (1 - chance))) @ rows + ridge
        step = np.linalg.solve(curvature + _JITTER * np.eye(len(gradient)), gradient)
        halvings = (parameters - step / 2**power for power in range(_MOST_STEPS))
        losses = (
            (_loss(new, rows, labels, sample_weights, ridge, centre), new) for new in halvings
        )
        new_loss, new = next((pair for pair in losses if pair[0] < loss), (loss, parameters))
        gain, parameters, loss = loss - new_loss, new, new_loss
        if gain <= _TOLERANCE * loss:
            break
    return parameters[:-1], float(parameters[-1])


def _loss(
    parameters: Float[ndarray, " p"],
    rows: Float[ndarray, "t p"],
    labels: Int[ndarray, " t"],
    sample_weights: Float[ndarray, " t"],
    ridge: Float[ndarray, "p p"],
    centre: Float[ndarray, " p"],
) -> float:
    odds = rows @ parameters
    losses = np.logaddexp(0.0, odds) - labels * odds
    return float(
        sample_weights @ losses + (parameters - centre) @ ridge @ (parameters - centre) / 2
    )
