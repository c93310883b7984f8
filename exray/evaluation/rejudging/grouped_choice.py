"""The calibrated judge in groups: chosen by transfers, fitted on tuning runs, frozen for others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd

from exray.evaluation.metrics import scores
from exray.evaluation.predictions import Predictions, with_judge
from exray.evaluation.rejudging.fitting import stratified_folds
from exray.evaluation.rejudging.grouped_examples import (
    GroupedExamples,
    GroupSpec,
    grouped_examples,
)
from exray.evaluation.rejudging.grouped_fit import GroupedFit, GroupedFitter, GroupFit, Setup
from exray.evaluation.rejudging.model_level_fit import ThresholdRule
from exray.evaluation.rejudging.threshold_choice import OWN, Choice, ChoiceResult
from exray.evaluation.rejudging.transfers import (
    Transfer,
    mean_loss,
    transferred,
    transfers_of,
)
from exray.rules.evidence import WORDS
from exray.rules.grouped_calibration import Combination, Fallback, GroupedCalibration
from exray.rules.trigger_groups import EvidenceTerm, TriggerGroup
from exray.rules.verdict import INJECTED_SCORE

_FIGURES = ("balanced accuracy", "FPR", "ROC-AUC", "cross-entropy")


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """A setup with its mean cross-entropy over the transfers."""

    setup: Setup
    loss: float


class GroupedCalibrationChoice(Choice):
    """Fits the calibrated judge of ``scanner=portfolio`` on tuning runs of ``judge=exray``.

    First the penalty, the borrowing and the combination are chosen with every group's first set,
    then the features of one group after the other. What decides is the cross-entropy in which
    trojaned and clean models count as much, averaged over the transfers without a family, those
    without a kind of trigger and those without a reach, and over the three means; a larger set
    must gain ``least_gain`` for each further feature. The choice
    is fitted on all models.

    Args:
        name: Of the files it writes.
        file: Where the calibration is written; None for the run's folder.
        runs: Further runs that it is fitted on.
        groups: Triggers that share a logistic model, each with sets of features to choose from.
        lacking: Features that some networks do not have. Models that have none of them do not take
            part; for these a fallback is chosen and fitted in the same way, on all models, without
            the features. Empty for none; there is none either where no model has the features.
        expresses: The searches whose triggers can be what an attack injects, by the attack's kind:
            their true triggers teach injected. Of an attack that is not named all searches.
        families: Datasets that are part of another's family, by their name: left out together, and
            their models count less, so that no reach counts more than in the other datasets.
        penalties: Inverse strengths of the ridge to choose from.
        borrowings: How much the triggers of other groups may count in the fit of one.
        combinations: How a model's triggers may be combined.
        threshold: ``conformal`` or ``balanced``.
        false_positive_rate: Highest expected share of clean models that are flagged.
        least_gain: Of a further feature, in nats.
        folds: Into how many parts the models are cut.
        seed: Of the cuts.

    Raises:
        ValueError: If a number is out of range, or there is nothing to choose from.
    """

    def __init__(
        self,
        *,
        name: str,
        file: str | None,
        runs: Sequence[str],
        groups: Sequence[GroupSpec],
        lacking: Sequence[str],
        expresses: Mapping[str, Sequence[str]],
        families: Mapping[str, str],
        penalties: Sequence[float],
        borrowings: Sequence[float],
        combinations: Sequence[str],
        threshold: str,
        false_positive_rate: float,
        least_gain: float,
        folds: int,
        seed: int,
    ) -> None:
        _check_candidates(groups, penalties, borrowings, combinations)
        _check_rule(threshold, false_positive_rate, folds)
        unknown = sorted(set(lacking) - set(WORDS))
        if unknown:
            raise ValueError(f"lacking knows {', '.join(WORDS)}; got {unknown[0]!r}")
        self.name = name
        self.file = file
        self.runs = tuple(runs)
        self.groups = tuple(groups)
        self.lacking = tuple(lacking)
        self.expresses = {kind: tuple(searches) for kind, searches in expresses.items()}
        self.families = dict(families)
        self.penalties = tuple(penalties)
        self.borrowings = tuple(borrowings)
        self.combinations = cast("tuple[Combination, ...]", tuple(combinations))
        self.threshold = cast("ThresholdRule", threshold)
        self.false_positive_rate = false_positive_rate
        self.least_gain = least_gain
        self.folds = folds
        self.seed = seed

    def choose(self, records: pd.DataFrame, triggers: pd.DataFrame) -> ChoiceResult:
        """The calibration, with the predictions of every transfer."""
        examples = grouped_examples(
            records, triggers, self.groups, expresses=self.expresses, families=self.families
        )
        if not _teaches(examples):
            raise ValueError("the runs' triggers are all of one kind; nothing can be fitted")
        usual = examples.only(~examples.lacking(self.lacking))
        if not _teaches(usual):  # no network has what some may lack
            usual = examples
        calibration, shown, how = self._chosen(usual, self.groups)
        if self.lacking and usual is not examples:
            groups = [_without(group, self.lacking) for group in self.groups]
            fallback, _, how["fallback"] = self._chosen(examples, groups)
            calibration = replace(
                calibration, fallback=Fallback(lacking=self.lacking, calibration=fallback)
            )
        return ChoiceResult(
            predictions=[with_judge(records, OWN), *shown], content=calibration.to_dict(), how=how
        )

    def _chosen(
        self, examples: GroupedExamples, groups: Sequence[GroupSpec]
    ) -> tuple[GroupedCalibration, list[Predictions], dict[str, object]]:
        """The best of all setups fitted, its predictions about models left out, and how it came."""
        fitter = GroupedFitter(
            examples,
            groups,
            threshold=self.threshold,
            false_positive_rate=self.false_positive_rate,
        )
        transfers = transfers_of(examples, folds=self.folds, seed=self.seed)
        trials = list(self._trials(fitter, groups, transfers or [self._folded(examples)]))
        best = min(trials, key=self._merit)
        fit = fitter.fit(best.setup, np.ones(len(examples.model_ids), dtype=bool))
        shown = [transferred(fitter, best.setup, transfer) for transfer in transfers]
        left_out = self._left_out(fitter, best.setup)
        how = self._how(examples, left_out, shown, best, len(trials))
        return _frozen(fit, groups, best.setup), [left_out, *shown], how

    def _trials(
        self, fitter: GroupedFitter, groups: Sequence[GroupSpec], transfers: Sequence[Transfer]
    ) -> Iterator[_Trial]:
        """Every setup that is tried, from the first on by what the last ones gave."""
        sets = tuple(tuple(group.sets[0]) for group in groups)
        first = [
            self._trial(
                fitter,
                transfers,
                Setup(sets=sets, penalty=penalty, borrowing=borrowing, combination=combination),
            )
            for penalty in self.penalties
            for borrowing in self.borrowings
            for combination in self.combinations
        ]
        yield from first
        best = min(first, key=self._merit)
        for place, group in enumerate(groups):
            for features in group.sets[1:]:
                own = (*best.setup.sets[:place], tuple(features), *best.setup.sets[place + 1 :])
                trial = self._trial(fitter, transfers, replace(best.setup, sets=own))
                yield trial
                best = min(best, trial, key=self._merit)

    def _trial(self, fitter: GroupedFitter, transfers: Sequence[Transfer], setup: Setup) -> _Trial:
        return _Trial(setup=setup, loss=mean_loss(fitter, setup, transfers))

    def _merit(self, trial: _Trial) -> float:
        """The mean loss, and the least gain of every feature; the lower the better."""
        return trial.loss + self.least_gain * sum(len(names) for names in trial.setup.sets)

    def _folded(self, examples: GroupedExamples) -> Transfer:
        """Plain cross-validation, where nothing else can be left out."""
        everything = np.ones(len(examples.model_ids), dtype=bool)
        folds = stratified_folds(examples.is_trojaned, everything, count=self.folds, seed=self.seed)
        return Transfer(name="left out", trait="", splits=[(~fold, fold) for fold in folds])

    def _left_out(self, fitter: GroupedFitter, setup: Setup) -> Predictions:
        """Predictions about every model by fits without it."""
        examples = fitter.examples
        probability = fitter.left_out(setup, folds=self.folds, seed=self.seed)
        return Predictions(
            name=f"left out, {self.folds} folds",
            model_ids=examples.model_ids,
            is_trojaned=examples.is_trojaned,
            flagged=probability >= INJECTED_SCORE,
            probability=probability,
        )

    def _how(
        self,
        examples: GroupedExamples,
        left_out: Predictions,
        shown: Sequence[Predictions],
        best: _Trial,
        num_tried: int,
    ) -> dict[str, object]:
        """What was chosen, how, and what the transfers gave."""
        return {
            "chosen_by": "balanced cross-entropy, mean of the means over families, kinds, reaches",
            "mean_transfer_cross_entropy": round(best.loss, 4),
            "penalty": best.setup.penalty,
            "borrowing": best.setup.borrowing,
            "num_setups_tried": num_tried,
            "num_fitted": len(examples.model_ids),
            "num_trojaned_fitted": int(examples.is_trojaned.sum()),
            "threshold": self.threshold,
            "false_positive_rate_asked_for": self.false_positive_rate,
            "folds": self.folds,
            "fit_seed": self.seed,
            "num_injected_examples": int((examples.label == 1).sum()),
            "num_natural_examples": int((examples.label == 0).sum()),
            "left_out": _figures(left_out),
            "transfers": {predictions.name: _figures(predictions) for predictions in shown},
        }


def _teaches(examples: GroupedExamples) -> bool:
    """Whether there are models of both kinds, and triggers of both."""
    labels = set(examples.label.tolist())
    return len(np.unique(examples.is_trojaned)) == 2 and {0, 1} <= labels


def _without(group: GroupSpec, lacking: Sequence[str]) -> GroupSpec:
    """A group whose sets lack some features; of equal ones the first is kept."""
    sets = [tuple(name for name in names if name not in lacking) for names in group.sets]
    return replace(group, sets=tuple(dict.fromkeys(sets)))


def _figures(predictions: Predictions) -> dict[str, float | None]:
    """A few figures of predictions; None where one is not defined."""
    own = scores(predictions)
    figures = {name: round(own[name], 4) for name in _FIGURES}
    counted = {"num_models": float(len(predictions)), **figures}
    return {name: None if np.isnan(value) else value for name, value in counted.items()}


def _frozen(fit: GroupedFit, specs: Sequence[GroupSpec], setup: Setup) -> GroupedCalibration:
    """The numbers as the judge reads them, rounded to six digits."""
    groups = zip(specs, fit.groups, setup.sets, fit.weights, strict=True)
    level = replace(
        fit.level,
        slope_above=_short(fit.level.slope_above),
        slope_below=_short(fit.level.slope_below),
        count_weight=_short(fit.level.count_weight),
        threshold=_short(fit.level.threshold),
    )
    return GroupedCalibration(
        groups=tuple(_group(*parts) for parts in groups),
        model=level,
        num_models=fit.num_models,
        without_triggers=_short(fit.without_triggers),
    )


def _group(spec: GroupSpec, fit: GroupFit, features: Sequence[str], weight: float) -> TriggerGroup:
    """A group's numbers, without the features that were dropped."""
    numbers = zip(features, fit.model.weight, fit.centre, fit.scale, strict=True)
    return TriggerGroup(
        name=spec.name,
        searches=tuple(spec.searches),
        is_universal=spec.is_universal,
        terms=tuple(
            EvidenceTerm(
                feature=name, weight=_short(weight), centre=_short(centre), scale=_short(scale)
            )
            for name, weight, centre, scale in numbers
            if weight
        ),
        bias=_short(fit.model.bias),
        weight=_short(weight),
    )


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _check_candidates(
    groups: Sequence[GroupSpec],
    penalties: Sequence[float],
    borrowings: Sequence[float],
    combinations: Sequence[str],
) -> None:
    """There is something to choose from, and it is in range."""
    if not groups or not penalties or min(penalties) <= 0:
        raise ValueError("groups and penalties must hold values, penalties above 0")
    if not borrowings or min(borrowings) < 0:
        raise ValueError(f"borrowings must hold values, 0 or more; got {list(borrowings)}")
    unknown = set(combinations) - {"noisy_or", "maximum", "stacked"}
    if not combinations or unknown:
        raise ValueError(
            f"combinations takes noisy_or, maximum and stacked; got {list(combinations)}"
        )


def _check_rule(threshold: str, false_positive_rate: float, folds: int) -> None:
    """The threshold's rule is known, its rate a share, and there are two folds at least."""
    if threshold not in ("conformal", "balanced"):
        raise ValueError(f"threshold takes conformal or balanced; got {threshold!r}")
    if not 0 < false_positive_rate < 1 or folds < 2:
        raise ValueError(
            "false_positive_rate must lie in (0, 1) and folds be >= 2; got "
            f"{false_positive_rate}, {folds}"
        )
