"""The calibrated judge: chosen and fitted on a tuning run, frozen for another."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from exray.evaluation.metrics import cross_entropies
from exray.evaluation.predictions import Predictions, with_judge
from exray.evaluation.rejudging.base import Rejudgement, scored_by_triggers
from exray.evaluation.rejudging.calibration_fit import (
    Examples,
    Fit,
    examples_of,
    fitted,
    left_out_probabilities,
)
from exray.evaluation.rejudging.stored_measurements import decide
from exray.evaluation.rejudging.threshold_choice import OWN, Choice, ChoiceResult
from exray.rules.base import DecisionRule
from exray.rules.calibration import FEATURES, Calibration, Term
from exray.rules.calibration_files import calibrated_rule
from exray.rules.verdict import INJECTED_SCORE, Verdict


class CalibrationChoice(Choice):
    """Fits the calibrated judge on a tuning run of ``judge=exray``.

    Every set of features and every penalty is tried on models left out, several times over; of the
    sets that are not clearly worse than the best (by one standard error of the paired difference in
    cross-entropy) the smallest is taken and fitted on all models.

    Args:
        name: Of the files it writes.
        file: Where the calibration is written; None for the run's folder.
        sets: Sets of features to choose from.
        penalties: Inverse strengths of the ridge to choose from.
        folds: Into how many parts the models are cut.
        repeats: How often they are cut anew.
        seed: Of the cuts.

    Raises:
        ValueError: If a count or a penalty is not positive, or there is no set.
    """

    def __init__(
        self,
        *,
        name: str,
        file: str | None,
        sets: tuple[tuple[str, ...], ...],
        penalties: tuple[float, ...],
        folds: int,
        repeats: int,
        seed: int,
    ) -> None:
        unknown = sorted({name for names in sets for name in names} - set(FEATURES))
        if unknown:
            raise ValueError(f"sets knows {', '.join(FEATURES)}; got {unknown[0]!r}")
        if not sets or not penalties or min(penalties) <= 0:
            raise ValueError("sets and penalties must hold values, penalties above 0")
        if folds < 2 or repeats < 1:
            raise ValueError(f"folds must be >= 2 and repeats >= 1; got {folds}, {repeats}")
        self.name = name
        self.file = file
        self.sets = sets
        self.penalties = penalties
        self.folds = folds
        self.repeats = repeats
        self.seed = seed

    def choose(self, records: pd.DataFrame, triggers: pd.DataFrame) -> ChoiceResult:
        """The calibration, with the predictions of every set about models left out."""
        examples, unconverged = examples_of(records, triggers)
        tried = candidates(self.sets, self.penalties, examples)
        if not tried:
            raise ValueError(
                "the stored triggers lack the measurements of every one of sets; scan "
                "again with this version of judge=exray"
            )
        predictions = [self._left_out(examples, features, penalty) for features, penalty in tried]
        best = _smallest_of_the_best([len(features) for features, _ in tried], predictions)
        features, penalty = tried[best]
        everything = np.ones(len(examples.model_ids), dtype=bool)
        fit = fitted(examples, features, penalty, everything)
        if fit is None:
            raise ValueError("the run's triggers are all of one kind; nothing can be fitted")
        how = {
            "left_out_cross_entropy": round(float(cross_entropies(predictions[best]).mean()), 4),
            "penalty": penalty,
            "num_sets_tried": len(tried),
            "folds": self.folds,
            "repeats": self.repeats,
            "fit_seed": self.seed,
            "num_injected_examples": int((examples.label == 1).sum()),
            "num_natural_examples": int((examples.label == 0).sum()),
        }
        calibration = _frozen(fit, features, unconverged)
        shown = [with_judge(records, OWN), *_one_a_set(tried, predictions, best)]
        return ChoiceResult(predictions=shown, content=calibration.to_dict(), how=how)

    def _left_out(self, examples: Examples, features: Sequence[str], penalty: float) -> Predictions:
        """Predictions about every model by fits without it, the mean over the cuts."""
        cuts = [
            left_out_probabilities(
                examples, features, penalty, folds=self.folds, seed=self.seed + cut
            )
            for cut in range(self.repeats)
        ]
        name = f"{' + '.join(features)}, C {penalty:g}, left out"
        return _predictions(examples, np.mean(cuts, axis=0), name)


class CalibratedRejudgement(Rejudgement):
    """The calibrated judge on the stored measurements of a run of ``judge=exray``.

    Args:
        name: Of the files it writes.
        file: As of ``calibrated_rule``.

    Raises:
        ValueError: If the file is missing or is none.
    """

    def __init__(self, *, name: str, file: str | None) -> None:
        self.name = name
        self.rule = calibrated_rule(file=file)

    def predictions(self, records: pd.DataFrame, triggers: pd.DataFrame) -> list[Predictions]:
        """The run's own predictions, and the calibrated ones."""
        rule = self.rule.for_scanner(str(records["scanner"].iloc[0]))
        return [
            with_judge(records, OWN),
            scored_by_rule(records, triggers, rule, "calibrated"),
        ]


def scored_by_rule(
    records: pd.DataFrame, triggers: pd.DataFrame, rule: DecisionRule, name: str
) -> Predictions:
    """Predictions as a scan with the rule would have given them.

    Args:
        records: A row per record.
        triggers: A row per trigger, with the measurements of ``judge=exray``.
        rule: What decides.
        name: What tables call it.
    """
    none = rule.probability_without_triggers
    decisions = decide(rule, triggers)
    scores = np.array([none if one is None else one.score for one in decisions], dtype=np.float64)
    if none is not None:
        is_clean = (records["num_triggers"] == 0) & (records["verdict"] == Verdict.CLEAN.value)
        records = records.assign(probability=records["probability"].mask(is_clean, none))
    return scored_by_triggers(records, triggers, scores, name)


def _predictions(examples: Examples, probability: Float[ndarray, " m"], name: str) -> Predictions:
    """Predictions about the models: flagged from one half on."""
    return Predictions(
        name=name,
        model_ids=examples.model_ids,
        is_trojaned=examples.is_trojaned,
        flagged=probability >= INJECTED_SCORE,
        probability=probability,
    )


def _frozen(fit: Fit, features: Sequence[str], unconverged: float) -> Calibration:
    """The numbers as the judge reads them, rounded to six digits.

    A feature that is the same for all triggers has no weight and is left out.
    """
    numbers = zip(features, fit.weight, fit.centre, fit.scale, strict=True)
    terms = [
        Term(feature=name, weight=_short(weight), centre=_short(centre), scale=_short(scale))
        for name, weight, centre, scale in numbers
    ]
    return Calibration(
        terms=tuple([term for term in terms if term.weight] or terms),
        bias=_short(fit.bias),
        without_triggers=_short(fit.without_triggers),
        unconverged=_short(unconverged),
    )


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _smallest_of_the_best(sizes: list[int], predictions: list[Predictions]) -> int:
    """Place of the smallest set whose cross-entropy is within one standard error of the best's."""
    losses = np.stack([cross_entropies(tried_set) for tried_set in predictions])
    means = losses.mean(axis=1)
    best = int(means.argmin())
    behind = losses - losses[best]
    allowed = behind.std(axis=1, ddof=1) / math.sqrt(losses.shape[1])
    near = np.flatnonzero(behind.mean(axis=1) <= allowed)
    return int(min(near, key=lambda place: (sizes[place], means[place])))


def _one_a_set(
    tried: list[tuple[tuple[str, ...], float]], predictions: list[Predictions], best: int
) -> list[Predictions]:
    """Each set with the penalty that does best, the chosen one's own first and marked."""
    losses = [float(cross_entropies(tried_set).mean()) for tried_set in predictions]
    shown: dict[tuple[str, ...], int] = {tried[best][0]: best}
    for place in sorted(range(len(tried)), key=losses.__getitem__):
        shown.setdefault(tried[place][0], place)
    return [
        replace(
            predictions[place],
            name=f"{'chosen: ' if place == best else ''}{predictions[place].name}",
        )
        for place in shown.values()
    ]


def candidates(
    sets: Sequence[Sequence[str]], penalties: Sequence[float], examples: Examples
) -> list[tuple[tuple[str, ...], float]]:
    """Every set of features that was measured, with every penalty.

    Args:
        sets: Names of features.
        penalties: Inverse strengths of the ridge.
        examples: What was measured.
    """
    there = [tuple(names) for names in sets if set(names) <= set(examples.columns)]
    return list(itertools.product(there, penalties))
