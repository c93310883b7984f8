"""The models that a row of a table gets wrong, each with the trigger that decided."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from exray.evaluation.predictions import with_judge
from exray.experiments.cells import ExperimentCell
from exray.rules.base import CROSS


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """The trigger that a wrong verdict rests on.

    Args:
        index: Place among the model's triggers, from 0.
        victim: Victim class.
        target: Target class.
        source: Scanner that found it.
        is_true: Whether victim and target are the injected ones.
        score: How much speaks for injected, in [0, 1], by the row's rule.
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
class Failure:
    """A model that is clean but flagged, or trojaned but missed.

    Args:
        model_id: The model.
        is_trojaned: Ground truth; the verdict is the opposite.
        kind: Kind of the injected trigger; empty for a clean model.
        probability: That the model is trojaned, by the row.
        trigger: What decided; None where the scanner found no trigger.
    """

    model_id: str
    is_trojaned: bool
    kind: str
    probability: float
    trigger: Deciding | None


def failures(cell: ExperimentCell) -> list[Failure]:
    """The models that a row gets wrong: flagged clean ones, then missed trojaned ones.

    Of each kind the most confidently wrong come first.

    Args:
        cell: The row's records and triggers.
    """
    answers = with_judge(cell.records)
    kinds = dict(zip(cell.records["model_id"], cell.records["trigger_kind"], strict=True))
    told = zip(
        answers.model_ids,
        answers.is_trojaned.tolist(),
        answers.flagged.tolist(),
        answers.probability.tolist(),
        strict=True,
    )
    found = [
        Failure(
            model_id=model_id,
            is_trojaned=is_trojaned,
            kind=str(kinds[model_id]) if is_trojaned else "",
            probability=probability,
            trigger=_deciding(cell.triggers[cell.triggers["model_id"] == model_id]),
        )
        for model_id, is_trojaned, is_flagged, probability in told
        if is_trojaned != is_flagged
    ]
    return sorted(found, key=_rank)


def to_draw(found: Sequence[Failure], limit: int) -> list[Failure]:
    """So many failures, in their order, of which missed models are half where there are as many.

    Args:
        found: As `failures` gives them.
        limit: How many; what one kind leaves free is the other's.
    """
    flagged = [each for each in found if not each.is_trojaned]
    missed = [each for each in found if each.is_trojaned]
    free = min(len(missed), max(limit // 2, limit - len(flagged)))
    return flagged[: limit - free] + missed[:free]


def _rank(failure: Failure) -> tuple[bool, float, str]:
    right = failure.probability if failure.is_trojaned else 1 - failure.probability
    return failure.is_trojaned, math.inf if math.isnan(right) else right, failure.model_id


def _deciding(triggers: pd.DataFrame) -> Deciding | None:
    """The highest-scoring of the true triggers, where one was found; else of all triggers."""
    if not len(triggers):
        return None
    is_true = triggers["is_true_trigger"].fillna(False).astype(bool)
    candidates = triggers[is_true] if is_true.any() else triggers
    chosen = candidates.iloc[int(candidates["score"].fillna(-1.0).to_numpy().argmax())]
    cross = [float(chosen.get(f"m_{name}", math.nan)) for name in CROSS]
    return Deciding(
        index=int(chosen["index"]),
        victim=int(chosen["victim_class"]),
        target=int(chosen["target_class"]),
        source=str(chosen["source"]),
        is_true=bool(is_true.any()),
        score=float(chosen["score"]),
        similarity=float(chosen.get("m_similarity", math.nan)),
        weakest_cross=math.nan if any(map(math.isnan, cross)) else min(cross),
    )
