"""Fits the calibrated judge: few measurements, chosen and checked on models left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from exray.evaluation.predictions import with_judge
from exray.evaluation.rejudging.fitting import moments, smoothed, standardized, stratified_folds
from exray.evaluation.rejudging.stored_measurements import measurements_of
from exray.rules.base import unconverged_pairs
from exray.rules.calibration import FEATURES, Feature
from exray.rules.verdict import UNDECIDED

PRIOR_WITHOUT, PRIOR_UNCONVERGED = 0.25, 0.5  # what they say
SILENT = 0.49  # a scanner that finds nothing never speaks for a trojan
PLATT_C = 1.0  # inverse strength of the ridge on the model level's slope
FLATTEST = 0.05  # least slope of the model level


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Stored triggers and models, ready to be fitted on.

    Args:
        model_ids: The models.
        is_trojaned: Their ground truth.
        owner: Place of each trigger's model among them.
        label: Of each trigger 1 for injected, 0 for natural, -1 where that is not known.
        columns: Values of each feature that was measured, by name; nan if it does not apply.
    """

    model_ids: tuple[str, ...]
    is_trojaned: Bool[ndarray, " m"]
    owner: Int[ndarray, " t"]
    label: Int[ndarray, " t"]
    columns: dict[str, Float[ndarray, " t"]]

    def inputs(self, features: Sequence[str]) -> Float[ndarray, "t f"]:
        """The features of every trigger, side by side."""
        return np.stack([self.columns[name] for name in features], axis=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """A calibration's numbers before they are frozen."""

    centre: Float[ndarray, " f"]
    scale: Float[ndarray, " f"]
    weight: Float[ndarray, " f"]
    bias: float
    without_triggers: float

    def log_odds(self, inputs: Float[ndarray, "t f"]) -> Float[ndarray, " t"]:
        """Of every trigger."""
        model = _LogisticModel(weight=self.weight, bias=self.bias)
        return model.log_odds(standardized(inputs, self.centre, self.scale))


@dataclass(frozen=True, kw_only=True, eq=False)
class _LogisticModel:
    """A logistic regression over scaled features."""

    weight: Float[ndarray, " f"]
    bias: float

    def log_odds(self, scaled: Float[ndarray, "t f"]) -> Float[ndarray, " t"]:
        """Of every trigger."""
        log_odds: Float[ndarray, " t"] = scaled @ self.weight + self.bias
        return log_odds


def examples_of(records: pd.DataFrame, triggers: pd.DataFrame) -> tuple[Examples, float]:
    """What a run of ``judge=exray`` gives to fit on, and the probability of unconverged triggers.

    A trigger is an example of an injected one where it goes from a true victim to the true target;
    of a natural one in a clean model, and in a trojaned one where it goes to another class than the
    true target. From another victim to the true target it may be either: it is no example, but
    counts for its model.

    Args:
        records: A row per record with ground truth.
        triggers: A row per trigger.

    Raises:
        ValueError: If the triggers were not differenced.
    """
    predictions = with_judge(records)
    place = {model_id: index for index, model_id in enumerate(predictions.model_ids)}
    known = triggers[triggers["model_id"].astype(str).isin(list(place))].reset_index(drop=True)
    owner = known["model_id"].astype(str).map(place).to_numpy(dtype=np.int64)
    label = _labels(known, predictions.is_trojaned[owner])
    differenced = {
        index: row for index, row in enumerate(measurements_of(known)) if row is not None
    }
    unconverged = [index for index, row in differenced.items() if unconverged_pairs(row)]
    usable = {index: row for index, row in differenced.items() if not unconverged_pairs(row)}
    rows = list(usable.values())
    columns = {
        name: np.array([feature(row) for row in rows], dtype=np.float64)
        for name, feature in FEATURES.items()
        if _is_measured(feature, rows)
    }
    examples = Examples(
        model_ids=predictions.model_ids,
        is_trojaned=predictions.is_trojaned,
        owner=owner[list(usable)],
        label=label[list(usable)],
        columns=columns,
    )
    return examples, smoothed(label[unconverged] == 1, PRIOR_UNCONVERGED)


def _is_measured(feature: Feature, rows: Sequence[Mapping[str, float]]) -> bool:
    """Whether a run stored what a feature is made of."""
    if not rows:
        return False
    try:
        feature(rows[0])
    except KeyError:
        return False
    return True


def _labels(triggers: pd.DataFrame, of_trojaned: Bool[ndarray, " t"]) -> Int[ndarray, " t"]:
    is_true = triggers["is_true_trigger"].astype("boolean").fillna(False).to_numpy(dtype=bool)
    target = triggers["target_class"].to_numpy(dtype=np.int64)
    models = triggers["model_id"].astype(str).to_numpy()
    true_targets = set(zip(models[is_true], target[is_true], strict=True))
    reaches = np.array([pair in true_targets for pair in zip(models, target, strict=True)], bool)
    label = np.where(is_true, 1, 0)
    label[of_trojaned & reaches & ~is_true] = -1
    return label.astype(np.int64)


def fitted(
    examples: Examples, features: Sequence[str], penalty: float, models: Bool[ndarray, " m"]
) -> Fit | None:
    """The logistic model of some models' triggers, moved so that the highest is the model's.

    First the triggers' labels give the weights, under a ridge penalty and with every model counting
    as much. Then two numbers, a slope and a shift, fit the highest log-odds of each model to the
    models' ground truth; they are fitted on triggers that the weights did not see (five folds).

    Args:
        examples: All triggers and models.
        features: Which measurements take part.
        penalty: Inverse strength of the ridge, scikit-learn's C.
        models: Which models are fitted on.

    Returns:
        The numbers; None where the models' triggers are all of one kind.
    """
    inputs = examples.inputs(features)
    selected = models[examples.owner]
    centre, scale = moments(inputs[selected])
    scaled = standardized(inputs, centre, scale)
    model = _trigger_model(scaled, examples, selected, penalty)
    if model is None:
        return None
    held_out = model.log_odds(scaled)
    for fold in stratified_folds(examples.is_trojaned, models, count=5, seed=0):
        out = fold[examples.owner]
        inner = _trigger_model(scaled, examples, selected & ~out, penalty) or model
        held_out[out] = inner.log_odds(scaled[out])
    has_trigger, highest = _highest(held_out, examples, models)
    slope, shift = _platt(highest, examples.is_trojaned[has_trigger])
    silent = models.copy()
    silent[has_trigger] = False
    return Fit(
        centre=centre,
        scale=scale,
        weight=slope * model.weight,
        bias=slope * model.bias + shift,
        without_triggers=min(smoothed(examples.is_trojaned[silent], PRIOR_WITHOUT), SILENT),
    )


def probabilities(fit: Fit, examples: Examples, features: Sequence[str]) -> Float[ndarray, " m"]:
    """Of every model, the highest of its triggers'.

    Args:
        fit: The numbers.
        examples: All triggers and models.
        features: The features that the numbers are of.
    """
    everything = np.ones(len(examples.is_trojaned), dtype=bool)
    log_odds = fit.log_odds(examples.inputs(features))
    has_trigger, highest = _highest(log_odds, examples, everything)
    probability = np.full(len(everything), fit.without_triggers)
    probability[has_trigger] = 1 / (1 + np.exp(-highest))
    return probability


def left_out_probabilities(
    examples: Examples, features: Sequence[str], penalty: float, *, folds: int, seed: int
) -> Float[ndarray, " m"]:
    """Of every model, from a fit that never saw it; one half where nothing could be fitted.

    Args:
        examples: All triggers and models.
        features: Which measurements take part.
        penalty: Inverse strength of the ridge.
        folds: Number of folds, stratified by ground truth.
        seed: Of the folds.
    """
    everything = np.ones(len(examples.is_trojaned), dtype=bool)
    probability = np.full(len(everything), UNDECIDED)
    for fold in stratified_folds(examples.is_trojaned, everything, count=folds, seed=seed):
        fit = fitted(examples, features, penalty, ~fold)
        if fit is not None:
            probability[fold] = probabilities(fit, examples, features)[fold]
    return probability


def _trigger_model(
    scaled: Float[ndarray, "t f"], examples: Examples, selected: Bool[ndarray, " t"], penalty: float
) -> _LogisticModel | None:
    """The triggers' logistic regression; None for triggers of one kind."""
    rows = np.flatnonzero(selected & (examples.label >= 0))
    labels = examples.label[rows]
    if len(np.unique(labels)) < 2:
        return None
    from sklearn.linear_model import LogisticRegression  # slow to import

    owners = examples.owner[rows]
    model = LogisticRegression(C=penalty).fit(
        scaled[rows], labels, sample_weight=1 / np.bincount(owners)[owners]
    )
    return _LogisticModel(weight=model.coef_[0].astype(np.float64), bias=float(model.intercept_[0]))


def _highest(
    log_odds: Float[ndarray, " t"], examples: Examples, models: Bool[ndarray, " m"]
) -> tuple[Int[ndarray, " k"], Float[ndarray, " k"]]:
    """Which of the models have a trigger, and the highest log-odds of each."""
    highest = np.full(len(models), -np.inf)
    selected = models[examples.owner]
    np.maximum.at(highest, examples.owner[selected], log_odds[selected])
    has_trigger = np.flatnonzero(models & np.isfinite(highest))
    return has_trigger, highest[has_trigger]


def _platt(highest: Float[ndarray, " k"], is_trojaned: Bool[ndarray, " k"]) -> tuple[float, float]:
    """Slope and shift that fit log-odds to the truth by cross-entropy.

    The slope stays above 0, so that the order of the triggers is kept.
    """
    if len(np.unique(is_trojaned)) < 2:
        return 1.0, 0.0
    from sklearn.linear_model import LogisticRegression  # slow to import

    model = LogisticRegression(C=PLATT_C).fit(highest[:, None], is_trojaned)
    return max(float(model.coef_[0, 0]), FLATTEST), float(model.intercept_[0])
