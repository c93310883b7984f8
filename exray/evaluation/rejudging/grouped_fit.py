"""Fits grouped calibrations: the groups' logistic models, then the model level on left-out ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from exray.evaluation.rejudging.fitting import (
    moments,
    smoothed,
    standardized,
    stratified_folds,
)
from exray.evaluation.rejudging.grouped_examples import GroupedExamples, GroupSpec
from exray.evaluation.rejudging.model_level_fit import ThresholdRule, fitted_level
from exray.evaluation.rejudging.signed_logistic import SignedLogistic, signed_logistic
from exray.rules.calibration import logistic
from exray.rules.grouped_calibration import (
    Combination,
    ModelLevel,
    clipped,
    evidence_of,
    softplus,
)
from exray.rules.verdict import UNDECIDED

PRIOR = 0.25  # share of injected triggers, or of trojaned models, where there are few to count
SILENT = 0.49  # a scanner that finds nothing never speaks for a trojan
INNER_FOLDS = 5
STACKED_PENALTY = 0.1  # inverse strength of the ridge that draws the groups' weights to 1
FEWEST = 8  # examples from which a group has its own means and deviations


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a fit is free to choose.

    Args:
        sets: The features of each group.
        penalty: Inverse strength of the ridge.
        borrowing: How much the triggers of other groups count in the fit of one; its own count 1.
        combination: How a model's triggers are combined.
    """

    sets: tuple[tuple[str, ...], ...]
    penalty: float
    borrowing: float
    combination: Combination


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupFit:
    """The logistic model of a group's triggers.

    Args:
        centre: Mean of each feature.
        scale: Standard deviation of each.
        model: Weights and bias over the scaled features.
        log_odds: Of the group's triggers, of all models, in their order.
    """

    centre: Float[ndarray, " f"]
    scale: Float[ndarray, " f"]
    model: SignedLogistic
    log_odds: Float[ndarray, " g"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _ScaledRows:
    """A group's triggers in standard deviations, with the examples among them."""

    centre: Float[ndarray, " f"]
    scale: Float[ndarray, " f"]
    scaled: Float[ndarray, "g f"]
    examples: Int[ndarray, " e"]
    labels: Int[ndarray, " e"]
    weights: Float[ndarray, " e"]


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupedFit:
    """A grouped calibration's numbers before they are frozen.

    Args:
        groups: In the order of the specifications.
        weights: What each group counts where they are stacked; else 1.
        level: From the triggers to the model.
        num_models: How many it was fitted on.
        without_triggers: Probability of a model without any.
        probability: Of all models.
    """

    groups: tuple[GroupFit, ...]
    weights: Float[ndarray, " g"]
    level: ModelLevel
    num_models: int
    without_triggers: float
    probability: Float[ndarray, " m"]


class GroupedFitter:
    """Fits the same triggers in many ways, each group's part of a fit once.

    Args:
        examples: All triggers and models.
        specs: The groups.
        threshold: How the threshold is chosen.
        false_positive_rate: Highest expected share of clean models that are flagged.
    """

    def __init__(
        self,
        examples: GroupedExamples,
        specs: Sequence[GroupSpec],
        *,
        threshold: ThresholdRule,
        false_positive_rate: float,
    ) -> None:
        self.examples = examples
        self.specs = tuple(specs)
        self.threshold: ThresholdRule = threshold
        self.false_positive_rate = false_positive_rate
        self._members = [np.flatnonzero(examples.group == place) for place in range(len(specs))]
        models = range(len(examples.model_ids))
        self._triggers = [np.flatnonzero(examples.owner == model) for model in models]
        self._fits: dict[tuple[object, ...], GroupFit] = {}
        self._scaled: dict[tuple[object, ...], _ScaledRows] = {}

    def fit(self, setup: Setup, models: Bool[ndarray, " m"]) -> GroupedFit:
        """The numbers that some models give.

        The model level is fitted on triggers that the groups' models did not see, by five folds.

        Args:
            setup: What is fitted.
            models: Which models are fitted on.
        """
        truth = self.examples.is_trojaned
        groups, log_odds = self._groups(setup, models)
        held_out = log_odds.copy()
        for fold in stratified_folds(truth, models, count=INNER_FOLDS, seed=0):
            out = fold[self.examples.owner]
            held_out[out] = self._groups(setup, models & ~fold)[1][out]
        loud = np.array([bool(len(own)) for own in self._triggers])
        fitted_on = np.flatnonzero(models & loud)
        weights = np.ones(len(self.specs))
        if setup.combination == "stacked":
            weights = self._group_weights(held_out, fitted_on)
        level = fitted_level(
            self._evidence(held_out, fitted_on, setup.combination, weights),
            np.array([len(self._triggers[model]) for model in fitted_on], dtype=np.int64),
            truth[fitted_on],
            weights=self.examples.weight[fitted_on],
            num_silent=int((models & ~loud & ~truth).sum()),
            combination=setup.combination,
            rule=self.threshold,
            false_positive_rate=self.false_positive_rate,
        )
        num_models = int(models.sum())
        silent = models & ~loud
        without = min(smoothed(truth[silent], PRIOR, weights=self.examples.weight[silent]), SILENT)
        probability = np.full(len(models), clipped(without, num_models))
        places = np.flatnonzero(loud)
        evidence = self._evidence(log_odds, places, setup.combination, weights)
        for model, value in zip(places, evidence, strict=True):
            of_model = level.log_odds(float(value), len(self._triggers[model]))
            probability[model] = clipped(logistic(of_model), num_models)
        return GroupedFit(
            groups=groups,
            weights=weights,
            level=level,
            num_models=num_models,
            without_triggers=clipped(without, num_models),
            probability=probability,
        )

    def left_out(self, setup: Setup, *, folds: int, seed: int) -> Float[ndarray, " m"]:
        """Of every model the probability by a fit without it; one half where there is none.

        Args:
            setup: What is fitted.
            folds: Number of folds, stratified by ground truth.
            seed: Of the folds.
        """
        everything = np.ones(len(self.examples.model_ids), dtype=bool)
        probability = np.full(len(everything), UNDECIDED)
        truth = self.examples.is_trojaned
        for fold in stratified_folds(truth, everything, count=folds, seed=seed):
            probability[fold] = self.fit(setup, ~fold).probability[fold]
        return probability

    def _groups(
        self, setup: Setup, models: Bool[ndarray, " m"]
    ) -> tuple[tuple[GroupFit, ...], Float[ndarray, " t"]]:
        """The groups' models, and the log-odds of all triggers."""
        log_odds = np.zeros(len(self.examples.owner))
        groups = []
        for place, features in enumerate(setup.sets):
            key = (place, features, setup.penalty, setup.borrowing, models.tobytes())
            if key not in self._fits:
                self._fits[key] = self._group(place, features, setup, models)
            groups.append(self._fits[key])
            log_odds[self._members[place]] = groups[-1].log_odds
        return tuple(groups), log_odds

    def _group(
        self, place: int, features: tuple[str, ...], setup: Setup, models: Bool[ndarray, " m"]
    ) -> GroupFit:
        """A group's logistic model, in which a model counts by its weight, whatever its triggers.

        Injected triggers are as rare in a group as among the tuning zoo's: of a group whose
        triggers tell little the log-odds stay low, however strong they are, and a noisy-or of
        probabilities means something. A group with few or none may learn from those of the
        others, each scaled within its own group.
        """
        own = self._rows(place, features, models)
        parts = [own]
        if setup.borrowing:
            others = (other for other in range(len(self.specs)) if other != place)
            parts += [self._rows(other, features, models) for other in others]
        shares = [1.0, *[setup.borrowing] * (len(parts) - 1)]
        labels = np.concatenate([part.labels for part in parts])
        weights = [share * part.weights for share, part in zip(shares, parts, strict=True)]
        model = signed_logistic(
            np.concatenate([part.scaled[part.examples] for part in parts]),
            labels,
            signs=self.specs[place].signs(features),
            sample_weights=np.concatenate(weights),
            penalty=setup.penalty,
            prior=PRIOR,
        )
        return GroupFit(
            centre=own.centre, scale=own.scale, model=model, log_odds=model.log_odds(own.scaled)
        )

    def _rows(
        self, place: int, features: tuple[str, ...], models: Bool[ndarray, " m"]
    ) -> _ScaledRows:
        """A group's triggers, scaled by the examples among some models."""
        key = (place, features, models.tobytes())
        if key not in self._scaled:
            members = self._members[place]
            inputs = self.examples.inputs(features)[members]
            label, owner = self.examples.label[members], self.examples.owner[members]
            rows = np.flatnonzero(models[owner] & (label >= 0))
            centre, scale = self._moments(inputs[rows], features, models)
            counts = np.bincount(owner[rows], minlength=len(models))
            self._scaled[key] = _ScaledRows(
                centre=centre,
                scale=scale,
                scaled=standardized(inputs, centre, scale),
                examples=rows,
                labels=label[rows],
                weights=self.examples.weight[owner[rows]] / counts[owner[rows]],
            )
        return self._scaled[key]

    def _moments(
        self, own: Float[ndarray, "e f"], features: tuple[str, ...], models: Bool[ndarray, " m"]
    ) -> tuple[Float[ndarray, " f"], Float[ndarray, " f"]]:
        """Mean and standard deviation of each feature; over all groups where one has few."""
        inputs = own
        if len(own) < FEWEST:
            known = models[self.examples.owner] & (self.examples.label >= 0)
            inputs = self.examples.inputs(features)[known]
        if not inputs.size:
            return np.zeros(len(features)), np.ones(len(features))
        return moments(inputs)

    def _group_weights(
        self, log_odds: Float[ndarray, " t"], models: Int[ndarray, " k"]
    ) -> Float[ndarray, " g"]:
        """What each group's strongest trigger counts in a model's log-odds, 0 or more.

        A logistic regression: clean models have strong triggers of some groups and weak ones of
        others, and log-odds of triggers do not say so. Its ridge draws the weights to 1, with which
        the groups are combined much as by a noisy-or: what was seen in no trojaned model counts.
        """
        fitted = signed_logistic(
            self._strongest(log_odds, models),
            self.examples.is_trojaned[models].astype(np.int64),
            signs=np.ones(len(self.specs), dtype=np.int64),
            sample_weights=self.examples.weight[models],
            penalty=STACKED_PENALTY,
            prior=PRIOR,
            towards=1.0,
        )
        return fitted.weight

    def _strongest(
        self, log_odds: Float[ndarray, " t"], models: Int[ndarray, " k"]
    ) -> Float[ndarray, "k g"]:
        """What each group's strongest trigger of some models says; 0 where there is none."""
        values = np.zeros((len(models), len(self.specs)))
        for row, model in enumerate(models):
            for trigger in self._triggers[model]:
                group = self.examples.group[trigger]
                values[row, group] = max(values[row, group], softplus(float(log_odds[trigger])))
        return values

    def _evidence(
        self,
        log_odds: Float[ndarray, " t"],
        models: Int[ndarray, " k"],
        combination: Combination,
        weights: Float[ndarray, " g"],
    ) -> Float[ndarray, " k"]:
        """Of some models, each with a trigger, what their triggers say together."""
        if combination == "stacked":
            stacked: Float[ndarray, " k"] = self._strongest(log_odds, models) @ weights
            return stacked
        target = self.examples.target
        values = [
            evidence_of(log_odds[own].tolist(), target[own].tolist(), combination)
            for own in (self._triggers[model] for model in models)
        ]
        return np.array(values, dtype=np.float64)
