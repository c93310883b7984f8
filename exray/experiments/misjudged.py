"""The models that a row of a table gets wrong, each with the trigger that decided."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from exray.evaluation.predictions import with_judge
from exray.experiments.cells import ExperimentCell
from exray.rules.base import CROSS


@dataclass(frozen=True, kw_only=True)
class DecisiveTrigger:
    """The trigger that decided a wrong verdict.

    Args:
        index: Place among the model's triggers, from 0.
        victim: Victim class.
        target: Target class.
        source: Scanner that inverted it.
        is_true: Whether victim and target are the injected ones.
        score: The row's score of the trigger, in [0, 1]; 0.5 or more is injected.
        similarity: Of the two masks, in [0, 1]; nan where none was measured.
        weakest_cross: Least of the four accuracies of equation (6); nan where none was measured.
    """

    index: int
    victim: int
    target: int
    source: str
    is_true: bool
    score: float
    similarity: float
    weakest_cross: float


@dataclass(frozen=True, kw_only=True)
class MisjudgedModel:
    """A model that is clean but flagged, or trojaned but missed.

    Args:
        model_id: The model.
        is_trojaned: Ground truth; the verdict is the opposite.
        kind: Kind of the injected trigger; empty for a clean model.
        probability: That the model is trojaned, by the row.
        trigger: What decided; None where the scanner inverted no trigger.
    """

    model_id: str
    is_trojaned: bool
    kind: str
    probability: float
    trigger: DecisiveTrigger | None


def misjudged_models(cell: ExperimentCell) -> list[MisjudgedModel]:
    """The models that a row gets wrong: flagged clean ones, then missed trojaned ones.

    Of each kind the most confidently wrong come first.

    Args:
        cell: The row's records and triggers.
    """
    predictions = with_judge(cell.records)
    kinds = dict(zip(cell.records["model_id"], cell.records["trigger_kind"], strict=True))
    columns = (predictions.is_trojaned, predictions.flagged, predictions.probability)
    verdicts = zip(predictions.model_ids, *(values.tolist() for values in columns), strict=True)
    models = [
        MisjudgedModel(
            model_id=model_id,
            is_trojaned=is_trojaned,
            kind=str(kinds[model_id]) if is_trojaned else "",
            probability=probability,
            trigger=_decisive(cell.triggers[cell.triggers["model_id"] == model_id]),
        )
        for model_id, is_trojaned, is_flagged, probability in verdicts
        if is_trojaned != is_flagged
    ]
    return sorted(models, key=_rank)


def to_draw(models: Sequence[MisjudgedModel], limit: int) -> list[MisjudgedModel]:
    """The first models in their order, half of them missed ones where there are as many.

    Args:
        models: As `misjudged_models` returns them.
        limit: How many; what one kind leaves free is the other's.
    """
    flagged = [model for model in models if not model.is_trojaned]
    missed = [model for model in models if model.is_trojaned]
    num_missed = min(len(missed), max(limit // 2, limit - len(flagged)))
    return flagged[: limit - num_missed] + missed[:num_missed]


def _rank(model: MisjudgedModel) -> tuple[bool, float, str]:
    confidence_in_truth = model.probability if model.is_trojaned else 1 - model.probability
    known = not math.isnan(confidence_in_truth)
    return model.is_trojaned, confidence_in_truth if known else math.inf, model.model_id


def _decisive(triggers: pd.DataFrame) -> DecisiveTrigger | None:
    """The highest-scoring of the true triggers, where one was inverted; else of all triggers."""
    if not len(triggers):
        return None
    is_true = triggers["is_true_trigger"].fillna(False).astype(bool)
    candidates = triggers[is_true] if is_true.any() else triggers
    highest = candidates.iloc[int(candidates["score"].fillna(-1.0).to_numpy().argmax())]
    cross = [float(highest.get(f"m_{name}", math.nan)) for name in CROSS]
    return DecisiveTrigger(
        index=int(highest["index"]),
        victim=int(highest["victim_class"]),
        target=int(highest["target_class"]),
        source=str(highest["source"]),
        is_true=bool(is_true.any()),
        score=float(highest["score"]),
        similarity=float(highest.get("m_similarity", math.nan)),
        weakest_cross=math.nan if any(map(math.isnan, cross)) else min(cross),
    )
