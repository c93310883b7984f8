"""Fits SRI-CLS's logistic regression, and scores classifiers that a fit did not see."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from exray.scanners.sri.trojan_probability import LARGEST_LOG_ODDS, TrojanProbability
from exray.scanners.validation import require_count

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

_TEMPERATURES = np.logspace(-0.5, 1.5, 200)  # tried for calibration


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """Settings of the fit.

    Args:
        penalty: Weight of the squared weight against the mean cross-entropy, above 0.
        folds: Parts of the zoo; each is scored by a fit that did not see it.
        repeats: Divisions into such parts.
        seed: Of the divisions.

    Raises:
        ValueError: If a number is out of its range.
    """

    penalty: float
    folds: int
    repeats: int
    seed: int

    def __post_init__(self) -> None:
        require_count("repeats", self.repeats)
        if not self.penalty > 0:
            raise ValueError(f"penalty must be positive; got {self.penalty!r}")
        if self.folds < 2:
            raise ValueError(f"folds must be >= 2; got {self.folds}")


@dataclass(frozen=True, kw_only=True)
class LogisticFit:
    """A fit on all classifiers, and how such fits do on unseen ones.

    Args:
        model: The fit on all.
        unseen_probabilities: Per repeat and classifier, the probability by a fit that did not see
            it; the temperature is the one number that was chosen on all of them.
    """

    model: TrojanProbability
    unseen_probabilities: Float[np.ndarray, "repeats n"]


def fit_trojan_probability(
    log_anomalies: Float[np.ndarray, " n"],
    is_trojaned: Bool[np.ndarray, " n"],
    settings: FitSettings,
) -> LogisticFit:
    """Fits a logistic regression and scores each classifier by fits that did not see it.

    The temperature by which log-odds are divided minimises the cross-entropy of the unseen
    classifiers over all repeats.

    Args:
        log_anomalies: ``SearchResult.log_anomaly`` per classifier.
        is_trojaned: The ground truth.
        settings: The fit's settings.

    Raises:
        ValueError: If there are fewer classifiers of either kind than folds.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    fewest = int(min(is_trojaned.sum(), (~is_trojaned).sum()))
    if fewest < settings.folds:
        raise ValueError(
            f"folds={settings.folds} needs as many clean and as many trojaned classifiers; "
            f"got {fewest} of one kind"
        )
    values = log_anomalies[:, None]
    pipeline = _pipeline(settings, len(values) * (settings.folds - 1) / settings.folds)
    unseen = np.stack(
        [
            cross_val_predict(
                pipeline,
                values,
                is_trojaned,
                cv=StratifiedKFold(settings.folds, shuffle=True, random_state=settings.seed + r),
                method="decision_function",
            )
            for r in range(settings.repeats)
        ]
    )
    temperature = _best_temperature(unseen, is_trojaned)
    scaler, regression = _pipeline(settings, float(len(values))).fit(values, is_trojaned)
    model = TrojanProbability(
        weight=float(regression.coef_[0, 0]) / temperature,
        centre=float(scaler.mean_[0]),
        scale=float(scaler.scale_[0]),
        bias=float(regression.intercept_[0]) / temperature,
    )
    return LogisticFit(model=model, unseen_probabilities=_probabilities(unseen / temperature))


def _pipeline(settings: FitSettings, num_examples: float) -> "Pipeline":
    """Standardisation and logistic regression; scikit-learn sums losses and halves squares."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inverse_penalty = 1 / (2 * settings.penalty * num_examples)
    return make_pipeline(StandardScaler(), LogisticRegression(C=inverse_penalty))


def _best_temperature(
    log_odds: Float[np.ndarray, "repeats n"], is_trojaned: Bool[np.ndarray, " n"]
) -> float:
    """The divisor of log-odds with the lowest mean cross-entropy."""
    signs = np.where(is_trojaned, 1.0, -1.0)
    losses = [np.logaddexp(0, -signs * log_odds / divisor).mean() for divisor in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _probabilities(log_odds: Float[np.ndarray, "repeats n"]) -> Float[np.ndarray, "repeats n"]:
    return 1 / (1 + np.exp(-LARGEST_LOG_ODDS * np.tanh(log_odds / LARGEST_LOG_ODDS)))
