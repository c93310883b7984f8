"""The interface of rejudgements: verdicts decided anew from stored measurements."""

import math
from abc import ABC, abstractmethod

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from exray.evaluation.predictions import Predictions, with_judge


class Rejudgement(ABC):
    """Other ways to decide from what a run has stored."""

    name: str

    @abstractmethod
    def answers(self, records: pd.DataFrame, triggers: pd.DataFrame) -> list[Predictions]:
        """The answers of each way, about the same classifiers.

        Args:
            records: A row per record, as `collect` gives it.
            triggers: A row per trigger, as `trigger_frame` gives it.

        Raises:
            ValueError: If the stored measurements are not the ones it needs.
        """


def flagged_by_triggers(
    records: pd.DataFrame, triggers: pd.DataFrame, injected: Bool[ndarray, " n"], name: str
) -> Predictions:
    """Answers where a model is flagged if one of its triggers counts; without probabilities.

    Args:
        records: A row per record.
        triggers: A row per trigger.
        injected: Which triggers count.
        name: What tables call it.
    """
    counted = set(triggers.loc[injected, "model_id"].astype(str))
    answers = with_judge(records, name)
    return Predictions(
        name=name,
        model_ids=answers.model_ids,
        is_trojaned=answers.is_trojaned,
        flagged=np.array([model_id in counted for model_id in answers.model_ids], dtype=bool),
        probability=np.full(len(answers), math.nan),
    )


def scored_by_triggers(
    records: pd.DataFrame, triggers: pd.DataFrame, scores: Float[ndarray, " n"], name: str
) -> Predictions:
    """Answers where a model's probability is its highest trigger's, and 0.5 or more is flagged.

    Models without a trigger keep the probability they have.

    Args:
        records: A row per record.
        triggers: A row per trigger.
        scores: Of each trigger, in [0, 1].
        name: What tables call it.
    """
    highest = pd.Series(scores).groupby(triggers["model_id"].astype(str).to_numpy()).max()
    answers = with_judge(records, name)
    pairs = zip(answers.model_ids, answers.probability, strict=True)
    probability = np.array([highest.get(model_id, kept) for model_id, kept in pairs])
    judged = np.array([model_id in highest.index for model_id in answers.model_ids], dtype=bool)
    return Predictions(
        name=name,
        model_ids=answers.model_ids,
        is_trojaned=answers.is_trojaned,
        flagged=judged & (probability >= 0.5),
        probability=probability.astype(np.float64),
    )
