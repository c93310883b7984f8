"""The calibrated judge's fit: what it is made of, and what few models or features do to it."""

import numpy as np
import pytest

from exray.evaluation.rejudging.calibration_fit import (
    Examples,
    fitted,
    left_out_probabilities,
    probabilities,
)


def examples_like(is_trojaned, **columns):
    """One trigger per model, injected in the trojaned ones."""
    truth = np.array(is_trojaned)
    return Examples(
        model_ids=tuple(f"m{place}" for place in range(len(truth))),
        is_trojaned=truth,
        owner=np.arange(len(truth)),
        label=truth.astype(np.int64),
        columns={name: np.array(values, dtype=np.float64) for name, values in columns.items()},
    )


def test_features_are_scaled_by_the_triggers_that_they_apply_to():
    nan = float("nan")
    examples = examples_like([True, False] * 2, size=[1.0, 3.0, nan, nan], none=[nan] * 4)
    fit = fitted(examples, ("size", "none"), 1.0, np.ones(4, dtype=bool))
    assert fit.centre.tolist() == [2.0, 0.0]
    assert fit.scale.tolist() == [1.0, 1.0]
    assert fit.weight[1] == 0.0
    assert fit.log_odds(np.array([[nan, nan]])).tolist() == [fit.bias]


def test_the_highest_trigger_is_the_models_probability_and_its_order_is_kept():
    values = np.linspace(-2, 2, 20)
    examples = examples_like(values > 0, score=values)
    fit = fitted(examples, ("score",), 1.0, np.ones(20, dtype=bool))
    probability = probabilities(fit, examples, ("score",))
    assert (np.diff(probability) > 0).all()
    assert ((probability > 0.5) == examples.is_trojaned).all()


def test_models_are_judged_by_fits_that_left_them_out():
    values = np.array([1.0, 2.0, 3.0, -1.0, -2.0, -3.0])
    wrong = values.copy()
    wrong[0] = -30.0  # a trojaned model that looks clean: its own fit would not flag it either
    examples = examples_like([True] * 3 + [False] * 3, score=wrong)
    left_out = left_out_probabilities(examples, ("score",), 1.0, folds=3, seed=0)
    assert left_out[0] < 0.5


@pytest.mark.parametrize("truth", [[True] * 4, [True, False, False, False]])
def test_too_few_models_of_a_kind_are_left_undecided(truth):
    examples = examples_like(truth, score=range(4))
    assert left_out_probabilities(examples, ("score",), 1.0, folds=3, seed=0).tolist() == [0.5] * 4
