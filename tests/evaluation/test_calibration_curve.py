"""Calibration curves of judges that say what they know, and of one that does not."""

import math

import numpy as np
import pytest

from exray.evaluation.calibration_curve import calibration_curve


def test_a_calibrated_judge_lies_on_the_diagonal(make_predictions):
    truth = [True] * 8 + [False] * 2 + [True] * 3 + [False] * 7
    found = calibration_curve(make_predictions(truth, [0.8] * 10 + [0.3] * 10))
    assert found.stated == pytest.approx((0.3, 0.8))
    assert found.observed == pytest.approx((0.3, 0.8))
    assert found.sizes == (10, 10)
    assert found.error == pytest.approx(0)


def test_overconfidence_is_the_distance_from_the_diagonal(make_predictions):
    found = calibration_curve(make_predictions([True, False], [1.0, 1.0]))
    assert (found.observed, found.sizes, found.error) == ((0.5,), (2,), 0.5)


def test_every_model_is_in_one_bin(random_predictions):
    predictions = random_predictions(2)
    found = calibration_curve(predictions, bins=5)
    assert sum(found.sizes) == len(predictions)
    mean = np.dot(found.stated, found.sizes) / len(predictions)
    assert mean == pytest.approx(predictions.probability.mean())


def test_without_probabilities_there_is_no_curve(make_predictions):
    found = calibration_curve(make_predictions([True], [math.nan]))
    assert found.sizes == ()
    assert math.isnan(found.error)
    with pytest.raises(ValueError, match="bins must be >= 1; got 0"):
        calibration_curve(make_predictions([True], [0.5]), bins=0)
