"""Bootstrap over classifiers: how far a figure would move with other models of the same kind."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

RESAMPLES = 2000
MOST_DRAWS = 20_000_000  # models times resamples; beyond it there are fewer resamples
FEWEST_RESAMPLES = 200
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its interval.

    Args:
        value: The figure on the models at hand; nan where it is not defined.
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def resampling_weights(
    is_trojaned: Bool[ndarray, " n"], *, resamples: int = RESAMPLES, seed: int = 0
) -> Float[ndarray, "b n"]:
    """How often each model is drawn in each resample.

    Trojaned and clean models are drawn apart: how many there are of each was chosen by whoever
    built the zoo, so it does not vary, and no resample lacks a kind. Ways of deciding that are
    compared on the same models share the weights, which makes the comparison a paired one.

    Args:
        is_trojaned: Ground truth of the models.
        resamples: How many; of more than ten thousand models fewer, so that all draws together
            stay at twenty million, and not below 200. An interval's ends are then known less well,
            and the interval is narrow.
        seed: Of the draws.

    Raises:
        ValueError: If ``resamples`` is not positive.

    Example:
        >>> weights = resampling_weights(np.array([True, True, False]), resamples=4)
        >>> weights.sum(axis=1).tolist(), weights[:, 2].tolist()
        ([3.0, 3.0, 3.0, 3.0], [1.0, 1.0, 1.0, 1.0])

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, chapters 8 and 13.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be >= 1; got {resamples}")
    stream = np.random.default_rng(seed)
    is_large = resamples * len(is_trojaned) > MOST_DRAWS
    if is_large:
        resamples = min(resamples, max(MOST_DRAWS // len(is_trojaned), FEWEST_RESAMPLES))
    weights = np.zeros((resamples, len(is_trojaned)))
    for kind in (True, False):
        places = np.flatnonzero(is_trojaned == kind)
        if is_large and places.size:  # the same distribution, ten times as fast
            for row in weights:
                drawn = stream.integers(places.size, size=places.size)
                row[places] = np.bincount(drawn, minlength=places.size)
        elif places.size:
            equal = np.full(places.size, 1 / places.size)
            weights[:, places] = stream.multinomial(places.size, equal, size=resamples)
    return weights


def interval(value: float, resampled: Float[ndarray, " b"], level: float = LEVEL) -> Estimate:
    """A figure with the percentile interval of its resamples.

    Where all models answer alike the resamples do too and the interval has no width, which says
    that the sample is small or uniform, not that the figure is known exactly.

    Args:
        value: The figure on the models themselves.
        resampled: The figure on each resample; those that are not finite are passed over.
        level: Share of the resamples inside, in (0, 1).

    Example:
        >>> interval(0.5, np.linspace(0, 1, 101))
        Estimate(value=0.5, low=0.025, high=0.975)
    """
    finite = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or not finite.size:
        return Estimate(value=value, low=np.nan, high=np.nan)
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value=value, low=round(float(low), 12), high=round(float(high), 12))
