"""The interface of rejudgements: verdicts decided anew from stored measurements."""

import math
from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from exray.evaluation.predictions import Predictions, with_judge
from exray.rules.verdict import INJECTED_SCORE, Verdict, model_verdicts


class Rejudgement(ABC):
    """Other ways to decide from what a run has stored."""

    name: str

    @abstractmethod
    def predictions(self, records: pd.DataFrame, triggers: pd.DataFrame) -> list[Predictions]:
        """The predictions of each way, about the same classifiers.

        Args:
            records: A row per record, as `collect` gives it.
            triggers: A row per trigger, as `trigger_frame` gives it.

        Raises:
            ValueError: If the stored measurements are not the ones it needs.
        """


def flagged_by_triggers(
    records: pd.DataFrame, triggers: pd.DataFrame, injected: Bool[ndarray, " n"], name: str
) -> Predictions:
    """Predictions where a model is flagged if one of its triggers counts; without probabilities.

    Args:
        records: A row per record.
        triggers: A row per trigger.
        injected: Which triggers count.
        name: What tables call it.
    """
    predictions = with_judge(records, name)
    own = triggers[["model_id"]].assign(is_injected=injected, score=injected.astype(float))
    flagged, _ = _decided(predictions, own)
    return replace(predictions, flagged=flagged, probability=np.full(len(predictions), math.nan))


def scored_by_triggers(
    records: pd.DataFrame, triggers: pd.DataFrame, scores: Float[ndarray, " n"], name: str
) -> Predictions:
    """Predictions where a model's probability is its highest trigger's, and 0.5 or more is flagged.

    Models without a trigger keep the probability they have.

    Args:
        records: A row per record.
        triggers: A row per trigger.
        scores: Of each trigger, in [0, 1].
        name: What tables call it.
    """
    predictions = with_judge(records, name)
    own = triggers[["model_id"]].assign(
        is_injected=np.asarray(scores) >= INJECTED_SCORE, score=scores
    )
    flagged, probability = _decided(predictions, own)
    return replace(predictions, flagged=flagged, probability=probability)


def _decided(
    predictions: Predictions, triggers: pd.DataFrame
) -> tuple[Bool[ndarray, " n"], Float[ndarray, " n"]]:
    """Which models their triggers flag, and their probabilities; else the predictions' own."""
    verdicts = model_verdicts(
        predictions.model_ids,
        triggers,
        is_inconclusive=False,
        without_triggers=pd.Series(predictions.probability),
    )
    flagged = (verdicts["verdict"] == Verdict.TROJANED.value).to_numpy(dtype=bool)
    return flagged, verdicts["probability"].to_numpy(dtype=np.float64)
