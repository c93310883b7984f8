"""Transfers: fitted without a family, a kind of trigger or a reach, and judged on just that one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from exray.evaluation.metrics import cross_entropies
from exray.evaluation.predictions import Predictions
from exray.evaluation.rejudging.fitting import stratified_folds
from exray.evaluation.rejudging.grouped_examples import GroupedExamples
from exray.evaluation.rejudging.grouped_fit import GroupedFitter, Setup
from exray.rules.verdict import INJECTED_SCORE


@dataclass(frozen=True, kw_only=True, eq=False)
class Transfer:
    """What is left out of a fit and judged by it.

    Args:
        name: As tables call it.
        trait: What the models left out have in common: ``family``, ``kind`` or ``reach``; empty for
            nothing, in a plain cross-validation.
        splits: Models that are fitted on, and models that are judged by that fit.
    """

    name: str
    trait: str
    splits: Sequence[tuple[Bool[ndarray, " m"], Bool[ndarray, " m"]]]


def transfers_of(examples: GroupedExamples, *, folds: int, seed: int) -> list[Transfer]:
    """All transfers that the models allow.

    A family is left out whole. A kind of trigger, or a reach, is left out too, and judged beside
    clean models that were not fitted on either, fold by fold.

    Args:
        examples: The models with their traits.
        folds: Into how many parts the models are cut for kinds and reaches.
        seed: Of the cut.
    """
    everything = np.ones(len(examples.model_ids), dtype=bool)
    transfers = []
    families = sorted(set(examples.traits["family"]))
    for family in families if len(families) > 1 else []:
        own = examples.having("family", family)
        transfers.append(Transfer(name=f"without {family}", trait="family", splits=[(~own, own)]))
    clean = ~examples.is_trojaned
    cut = stratified_folds(examples.is_trojaned, everything, count=folds, seed=seed)
    for trait in ("kind", "reach"):
        values = sorted(set(examples.traits[trait]) - {""})
        for value in values if len(values) > 1 else []:
            own = examples.having(trait, value)
            splits = [(~fold & ~own, fold & (own | clean)) for fold in cut]
            transfers.append(Transfer(name=f"without {value}", trait=trait, splits=splits))
    return transfers


def transferred(fitter: GroupedFitter, setup: Setup, transfer: Transfer) -> Predictions:
    """The predictions about what was left out.

    Args:
        fitter: Fits the examples.
        setup: What is fitted.
        transfer: What is left out.
    """
    probability = np.full(len(fitter.examples.model_ids), np.nan)
    for fitted_on, judged in transfer.splits:
        probability[judged] = fitter.fit(setup, fitted_on).probability[judged]
    rows = np.flatnonzero(~np.isnan(probability))
    return Predictions(
        name=transfer.name,
        model_ids=tuple(fitter.examples.model_ids[row] for row in rows),
        is_trojaned=fitter.examples.is_trojaned[rows],
        flagged=probability[rows] >= INJECTED_SCORE,
        probability=probability[rows],
    )


def mean_loss(fitter: GroupedFitter, setup: Setup, transfers: Sequence[Transfer]) -> float:
    """What a setup loses where something is left out, in nats.

    The `balanced_cross_entropy` of each transfer, averaged over those of each trait, and then over
    the traits: families, kinds and reaches count as much, however many there are of each.

    Args:
        fitter: Fits the examples.
        setup: What is fitted.
        transfers: One or more.
    """
    losses: dict[str, list[float]] = {}
    for transfer in transfers:
        loss = balanced_cross_entropy(transferred(fitter, setup, transfer))
        losses.setdefault(transfer.trait, []).append(loss)
    return float(np.mean([np.mean(own) for own in losses.values()]))


def balanced_cross_entropy(predictions: Predictions) -> float:
    """Cross-entropy in which trojaned and clean models count as much, in nats.

    Args:
        predictions: With the truth.
    """
    losses = cross_entropies(predictions)
    truth = predictions.is_trojaned
    parts = [losses[own].mean() for own in (truth, ~truth) if own.any()]
    return float(np.mean(parts))
