"""Calibration curves of judges that say what they know, and of one that does not."""

import math

import numpy as np
import pytest

from exray.evaluation.calibration_curve import calibration_curve


def test_a_calibrated_judge_lies_on_the_diagonal(make_predictions):
    truth = [True] * 8 + [False] * 2 + [True] * 3 + [False] * 7
    curve = calibration_curve(make_predictions(truth, [0.8] * 10 + [0.3] * 10))
    assert curve.stated == pytest.approx((0.3, 0.8))
    assert curve.observed == pytest.approx((0.3, 0.8))
    assert curve.sizes == (10, 10)
    assert curve.error == pytest.approx(0)


def test_overconfidence_is_the_distance_from_the_diagonal(make_predictions):
    curve = calibration_curve(make_predictions([True, False], [1.0, 1.0]))
    assert (curve.observed, curve.sizes, curve.error) == ((0.5,), (2,), 0.5)


def test_every_model_is_in_one_bin(random_predictions):
    predictions = random_predictions(2)
    curve = calibration_curve(predictions, bins=5)
    assert sum(curve.sizes) == len(predictions)
    mean = np.dot(curve.stated, curve.sizes) / len(predictions)
    assert mean == pytest.approx(predictions.probability.mean())


def test_without_probabilities_there_is_no_curve(make_predictions):
    curve = calibration_curve(make_predictions([True], [math.nan]))
    assert curve.sizes == ()
    assert math.isnan(curve.error)
    with pytest.raises(ValueError, match="bins must be >= 1; got 0"):
        calibration_curve(make_predictions([True], [0.5]), bins=0)
