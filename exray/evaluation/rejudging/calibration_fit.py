"""Fits the calibrated judge: few measurements, chosen and checked on models left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from exray.evaluation.predictions import with_judge
from exray.evaluation.rejudging.stored_measurements import measurements_of
from exray.rules.base import lost_masks
from exray.rules.calibration import FEATURES, WIDEST, Feature

PRIOR_COUNT = 2.0  # pseudo-models behind a share of few, or of none
PRIOR_WITHOUT, PRIOR_UNCONVERGED = 0.25, 0.5  # what they say
SILENT = 0.49  # a scanner that finds nothing never speaks for a trojan
_FLAT = 1e-9  # a feature that varies less is left as it is
PLATT_STRENGTH = 1.0  # of the ridge that pulls the model level's two numbers to 1 and 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Stored triggers and models, ready to be fitted on.

    Args:
        model_ids: The models.
        is_trojaned: Their ground truth.
        owner: Place of each trigger's model among them.
        label: Of each trigger 1 for injected, 0 for natural, -1 where that is not known.
        columns: Values of each feature that was measured, by name; nan where it does not apply.
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
        found: Float[ndarray, " t"] = (
            _scaled(inputs, self.centre, self.scale) @ self.weight + self.bias
        )
        return found


def examples_of(records: pd.DataFrame, triggers: pd.DataFrame) -> tuple[Examples, float]:
    """What a run of ``judge=exray`` gives to fit on, and the probability of unconverged triggers.

    A trigger is an example of an injected one where it goes from a true victim to the true target;
    of a natural one in a clean model, and in a trojaned one where it goes to another class than the
    true target. What leads another victim to the true target may be either and teaches nothing, but
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
    rows = measurements_of(known)
    kept = [index for index, row in enumerate(rows) if row is not None and not lost_masks(row)]
    lost = [index for index, row in enumerate(rows) if row is not None and lost_masks(row)]
    whole = [row for index in kept if (row := rows[index]) is not None]
    owner = known["model_id"].astype(str).map(place).to_numpy(dtype=np.int64)
    label = _labels(known, predictions.is_trojaned[owner])
    columns = {
        name: np.array([feature(row) for row in whole], dtype=np.float64)
        for name, feature in FEATURES.items()
        if _is_measured(feature, whole)
    }
    examples = Examples(
        model_ids=predictions.model_ids,
        is_trojaned=predictions.is_trojaned,
        owner=owner[kept],
        label=label[kept],
        columns=columns,
    )
    return examples, _smoothed(label[lost] == 1, PRIOR_UNCONVERGED)


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
    models' ground truth; they are found on triggers that the weights did not see (five folds).

    Args:
        examples: All triggers and models.
        features: Which measurements take part.
        penalty: Inverse strength of the ridge, scikit-learn's C.
        models: Which models are fitted on.

    Returns:
        The numbers; None where the models' triggers are all of one kind.
    """
    inputs = examples.inputs(features)
    mine = models[examples.owner]
    centre, scale = _moments(inputs[mine])
    scaled = _scaled(inputs, centre, scale)
    found = _weights(scaled, examples, mine, penalty)
    if found is None:
        return None
    held = np.full(len(inputs), np.nan)
    for left in _folds(examples.is_trojaned, models, count=5, seed=0):
        inner = _weights(scaled, examples, mine & ~left[examples.owner], penalty)
        out = left[examples.owner]
        held[out] = scaled[out] @ (inner or found)[0] + (inner or found)[1]
    has, top = _highest(held, examples, models)
    slope, shift = _platt(top, examples.is_trojaned[has])
    none = models.copy()
    none[has] = False
    return Fit(
        centre=centre,
        scale=scale,
        weight=slope * found[0],
        bias=float(slope * found[1] + shift),
        without_triggers=min(_smoothed(examples.is_trojaned[none], PRIOR_WITHOUT), SILENT),
    )


def probabilities(fit: Fit, examples: Examples, features: Sequence[str]) -> Float[ndarray, " m"]:
    """Of every model, the highest of its triggers'.

    Args:
        fit: The numbers.
        examples: All triggers and models.
        features: Those that the numbers are of.
    """
    everything = np.ones(len(examples.is_trojaned), dtype=bool)
    has, top = _highest(fit.log_odds(examples.inputs(features)), examples, everything)
    found = np.full(len(examples.is_trojaned), fit.without_triggers)
    found[has] = 1 / (1 + np.exp(-top))
    return found


def left_out_probabilities(
    examples: Examples, features: Sequence[str], penalty: float, *, folds: int, seed: int
) -> Float[ndarray, " m"]:
    """Of every model, from a fit that never saw it; one half where nothing could be fitted.

    Args:
        examples: All triggers and models.
        features: Which measurements take part.
        penalty: Inverse strength of the ridge.
        folds: Into how many parts the models are cut, trojaned and clean ones apart.
        seed: Of the cut.
    """
    everything = np.ones(len(examples.is_trojaned), dtype=bool)
    found = np.full(len(everything), 0.5)
    for left in _folds(examples.is_trojaned, everything, count=folds, seed=seed):
        fit = fitted(examples, features, penalty, ~left)
        if fit is not None:
            found[left] = probabilities(fit, examples, features)[left]
    return found


def _moments(
    inputs: Float[ndarray, "t f"],
) -> tuple[Float[ndarray, " f"], Float[ndarray, " f"]]:
    """Mean and standard deviation of each feature over the triggers that it applies to."""
    applies = np.isfinite(inputs)
    count = np.maximum(applies.sum(axis=0), 1)
    centre = np.where(applies, inputs, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(applies, inputs - centre, 0.0) ** 2).sum(axis=0) / count)
    return centre, np.where(spread > _FLAT, spread, 1.0)


def _scaled(
    inputs: Float[ndarray, "t f"], centre: Float[ndarray, " f"], scale: Float[ndarray, " f"]
) -> Float[ndarray, "t f"]:
    """Standard deviations from the mean, at most three; none where a feature does not apply."""
    found = np.clip((inputs - centre) / scale, -WIDEST, WIDEST)
    return np.where(np.isnan(found), 0.0, found)


def _weights(
    scaled: Float[ndarray, "t f"], examples: Examples, mine: Bool[ndarray, " t"], penalty: float
) -> tuple[Float[ndarray, " f"], float] | None:
    """Weights and bias of the triggers' logistic regression; None for triggers of one kind."""
    rows = np.flatnonzero(mine & (examples.label >= 0))
    labels = examples.label[rows]
    if len(np.unique(labels)) < 2:
        return None
    from sklearn.linear_model import LogisticRegression  # slow to import

    owners = examples.owner[rows]
    model = LogisticRegression(C=penalty).fit(
        scaled[rows], labels, sample_weight=1 / np.bincount(owners)[owners]
    )
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])


def _highest(
    log_odds: Float[ndarray, " t"], examples: Examples, models: Bool[ndarray, " m"]
) -> tuple[Int[ndarray, " k"], Float[ndarray, " k"]]:
    """Which of the models have a trigger, and the highest log-odds of each."""
    top = np.full(len(models), -np.inf)
    mine = models[examples.owner]
    np.maximum.at(top, examples.owner[mine], log_odds[mine])
    has = np.flatnonzero(models & np.isfinite(top))
    return has, top[has]


def _platt(top: Float[ndarray, " k"], is_trojaned: Bool[ndarray, " k"]) -> tuple[float, float]:
    """Slope and shift that fit log-odds to the truth by cross-entropy, pulled to 1 and 0.

    The slope stays above 0, so that the order of the triggers is kept.
    """
    from scipy.optimize import minimize  # slow to import

    sign = np.where(is_trojaned, 1.0, -1.0)

    def loss(numbers: Float[ndarray, " 2"]) -> float:
        wrong = np.logaddexp(0.0, -sign * (np.exp(numbers[0]) * top + numbers[1])).sum()
        return float(wrong + 0.5 * PLATT_STRENGTH * (numbers**2).sum())

    if not len(top):
        return 1.0, 0.0
    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(-3.0, 3.0), (-6.0, 6.0)]).x
    return float(np.exp(found[0])), float(found[1])


def _smoothed(hits: Bool[ndarray, " n"], prior: float) -> float:
    """A share that is never 0 or 1, and the prior where there is nothing to count."""
    return float((hits.sum() + PRIOR_COUNT * prior) / (len(hits) + PRIOR_COUNT))


def _folds(
    is_trojaned: Bool[ndarray, " m"], models: Bool[ndarray, " m"], *, count: int, seed: int
) -> list[Bool[ndarray, " m"]]:
    """The models in some parts, trojaned and clean ones spread evenly."""
    stream = np.random.default_rng(seed)
    part = np.full(len(models), -1)
    start = 0
    for kind in (True, False):
        places = stream.permutation(np.flatnonzero(models & (is_trojaned == kind)))
        part[places] = (start + np.arange(len(places))) % count
        start += len(places)
    return [part == index for index in range(count) if (part == index).any()]
