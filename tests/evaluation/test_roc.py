"""ROC curves: their area, their ends, and models without a probability."""

import math

import numpy as np
import pytest

from exray.evaluation.roc import roc_curve


@pytest.mark.parametrize("seed", range(3))
def test_the_area_is_the_share_of_pairs_in_the_right_order(random_predictions, seed):
    predictions = random_predictions(seed)
    trojaned = predictions.probability[predictions.is_trojaned]
    clean = predictions.probability[~predictions.is_trojaned]
    margins = trojaned[:, None] - clean[None, :]
    curve = roc_curve(predictions)
    area = np.trapezoid(curve.tpr, curve.fpr)
    assert area == pytest.approx(((margins > 0) + 0.5 * (margins == 0)).mean())


def test_a_curve_rises_from_no_flags_to_flags_for_all(random_predictions):
    curve = roc_curve(random_predictions(1))
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(curve.fpr) >= 0).all()
    assert (np.diff(curve.tpr) >= 0).all()


def test_models_without_a_probability_are_left_out(make_predictions):
    shorter = make_predictions([True, False, True], [0.9, 0.4, 0.3])
    longer = make_predictions([True, False, True, False], [0.9, 0.4, 0.3, math.nan])
    assert roc_curve(longer) == roc_curve(shorter)


@pytest.mark.parametrize(
    ("truth", "probability"), [([], []), ([True] * 2, [0.1, 0.9]), ([True, False], [0.9, math.nan])]
)
def test_one_kind_of_model_has_no_curve(make_predictions, truth, probability):
    assert roc_curve(make_predictions(truth, probability)) is None
