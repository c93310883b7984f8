"""Where a judge's threshold is put: on the models reported, as the paper does, or before."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from exray.evaluation.predictions import Predictions, with_judge
from exray.rules.verdict import Verdict

NEVER = -math.inf  # the score of a model without a judged trigger, which no threshold flags


@dataclass(frozen=True, kw_only=True)
class Separation:
    """A threshold and how well it separates the models it was chosen on.

    Args:
        threshold: Score from which a model is flagged; infinity flags none.
        accuracy: On those models; nan without any.
    """

    threshold: float
    accuracy: float


def model_scores(frame: pd.DataFrame) -> Float[ndarray, " n"]:
    """The score of each classifier with a prediction: its highest trigger's.

    Models without a trigger and inconclusive ones get minus infinity: no threshold flags them.

    Args:
        frame: A row per record, as `collect` gives it; the predictions are `with_judge`'s.
    """
    rows = frame[(frame["status"] == "done") & frame["is_trojaned"].notna()]
    judged = (rows["num_triggers"] > 0) & (rows["verdict"] != Verdict.INCONCLUSIVE.value)
    return np.where(judged, rows["probability"].astype(float), NEVER).astype(np.float64)


def best_separation(scores: Float[ndarray, " n"], is_trojaned: Bool[ndarray, " n"]) -> Separation:
    """The threshold with the highest accuracy on the very models at hand.

    Of equally good thresholds the highest is taken, halfway to the next score below. Reported on
    the same models this is too good; reports must say so.

    Args:
        scores: Of each model.
        is_trojaned: Ground truth of each.

    Example:
        >>> best_separation(np.array([0.2, 0.4, 0.8]), np.array([False, False, True]))
        Separation(threshold=0.6, accuracy=1.0)

    Source: EX-RAY, section 4.1: "unsupervised learning to report the best separation". *Differs
    from the paper:* which does not say how the separation is found.
    """
    distinct = np.unique(scores[np.isfinite(scores)])[::-1]
    middles = (distinct[:-1] + distinct[1:]) / 2
    lowest = distinct[-1:]  # flags every model that has a score
    candidates = [math.inf, *middles.tolist(), *lowest.tolist()]
    if not len(scores):
        return Separation(threshold=math.inf, accuracy=math.nan)
    rights = [float(((scores >= bar) == is_trojaned).mean()) for bar in candidates]
    best = int(np.argmax(rights))
    return Separation(threshold=round(candidates[best], 12), accuracy=rights[best])


def with_threshold(frame: pd.DataFrame, threshold: float, name: str) -> Predictions:
    """The judge's predictions with another threshold on its scores.

    Args:
        frame: A row per record, as `collect` gives it.
        threshold: Score from which a model is flagged.
        name: What tables call it.
    """
    predictions = with_judge(frame, name)
    return _flagged(predictions, model_scores(frame) >= threshold)


def frozen_threshold(tuning: pd.DataFrame, reporting: pd.DataFrame, name: str) -> Predictions:
    """Predictions about one set of models with the threshold that separates another set best.

    Args:
        tuning: Records that choose the threshold.
        reporting: Records that the predictions are about; never looked at before.
        name: What tables call it.
    """
    truth = with_judge(tuning).is_trojaned
    chosen = best_separation(model_scores(tuning), truth)
    return with_threshold(reporting, chosen.threshold, name)


def swapped_halves(frame: pd.DataFrame, name: str, *, seed: int = 0) -> Predictions:
    """Predictions about all models, each with the threshold that the other half chose.

    Args:
        frame: A row per record, as `collect` gives it.
        name: What tables call it.
        seed: Of the halves.
    """
    predictions, scores = with_judge(frame, name), model_scores(frame)
    first = tuning_half(predictions.is_trojaned, seed=seed)
    flagged = np.zeros(len(predictions), dtype=bool)
    for half in (first, ~first):
        chosen = best_separation(scores[~half], predictions.is_trojaned[~half])
        flagged[half] = scores[half] >= chosen.threshold
    return _flagged(predictions, flagged)


def tuning_half(is_trojaned: Bool[ndarray, " n"], *, seed: int = 0) -> Bool[ndarray, " n"]:
    """A random half of the trojaned and of the clean models.

    scikit-learn's stratified splits draw other halves, and the committed tables are of these.

    Args:
        is_trojaned: Ground truth of the models.
        seed: Of the draw.

    Example:
        >>> tuning_half(np.array([True, False, True, False, True, False])).sum()
        np.int64(4)
    """
    stream = np.random.default_rng(seed)
    half = np.zeros(len(is_trojaned), dtype=bool)
    for kind in (True, False):
        places = stream.permutation(np.flatnonzero(is_trojaned == kind))
        half[places[: (len(places) + 1) // 2]] = True
    return half


def _flagged(predictions: Predictions, flagged: Bool[ndarray, " n"]) -> Predictions:
    return Predictions(
        name=predictions.name,
        model_ids=predictions.model_ids,
        is_trojaned=predictions.is_trojaned,
        flagged=flagged,
        probability=predictions.probability,
    )
