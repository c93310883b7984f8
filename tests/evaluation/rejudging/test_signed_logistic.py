"""Weights keep the signs that theory fixes, whatever the data say."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from exray.evaluation.rejudging.signed_logistic import ridge_logistic, signed_logistic


@pytest.fixture
def data():
    """Two features, of which the first speaks for and the second against."""
    stream = np.random.default_rng(0)
    scaled = stream.normal(size=(400, 2))
    odds = 1.5 * scaled[:, 0] - 1.5 * scaled[:, 1]
    labels = (stream.uniform(size=400) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    return scaled, labels


def fitted(data, signs, **changes):
    values = {"sample_weights": np.ones(len(data[1])), "penalty": 10.0, "prior": 0.25}
    return signed_logistic(*data, signs=np.array(signs), **values | changes)


@pytest.mark.parametrize("signs", [(0, 0), (1, 0), (1, -1)])
def test_signs_that_the_data_have_leave_the_ridge_as_it_is(data, signs):
    model = fitted(data, signs)
    assert model.weight == pytest.approx([1.5, -1.5], abs=0.4)
    assert model.weight == pytest.approx(fitted(data, (0, 0)).weight)


def test_a_feature_of_the_wrong_sign_is_dropped_and_the_rest_is_fitted_anew(data):
    model = fitted(data, (1, 1))
    alone = fitted((data[0][:, :1], data[1]), (1,))
    assert model.weight.tolist() == [alone.weight[0], 0.0]
    assert model.bias == alone.bias
    assert model.log_odds(np.array([[1.0, 99.0]])) == pytest.approx(alone.weight + alone.bias)


def test_without_a_feature_the_smoothed_share_is_left(data):
    model = fitted(data, (-1, 1))
    assert model.weight.tolist() == [0.0, 0.0]
    hits = data[1].sum() + 0.5
    assert model.bias == pytest.approx(np.log(hits / (400 + 2 - hits)))
    none = fitted((np.zeros((3, 2)), np.zeros(3, dtype=np.int64)), (0, 0))
    assert none.bias == pytest.approx(np.log(0.5 / 4.5))


def test_rows_count_by_their_weights(data):
    scaled, labels = data
    halved = np.concatenate([scaled, scaled]), np.concatenate([labels, labels])
    double = fitted(halved, (0, 0), sample_weights=np.full(800, 0.5))
    assert double.weight == pytest.approx(fitted(data, (0, 0)).weight, abs=1e-3)


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("apart", [0.0, 1.0, 30.0])
def test_the_ridge_is_that_of_scikit_learn(penalty, apart):
    stream = np.random.default_rng(0)
    labels = np.arange(60) % 3 // 2
    scaled = stream.normal(size=(60, 3))
    scaled[:, 0] += apart * labels  # 30: separable
    weights = stream.uniform(0.1, 2.0, size=60)
    reference = LogisticRegression(C=penalty, tol=1e-10, max_iter=5000)
    reference.fit(scaled, labels, sample_weight=weights)
    weight, bias = ridge_logistic(scaled, labels, sample_weights=weights, penalty=penalty)
    assert weight == pytest.approx(reference.coef_[0], abs=1e-3)
    assert bias == pytest.approx(reference.intercept_[0], abs=1e-2)


def test_a_strong_ridge_draws_the_weights_to_where_it_is_told(data):
    assert fitted(data, (1, 0), penalty=1e-6, towards=1.0).weight == pytest.approx([1, 1], abs=1e-2)
    loose = fitted(data, (1, 0), penalty=1e6, towards=1.0).weight
    assert loose == pytest.approx(fitted(data, (0, 0), penalty=1e6).weight, rel=1e-3)
    nothing = np.zeros((4, 2)), np.array([0, 1, 0, 1])
    assert fitted(nothing, (0, 0), towards=1.0).weight.tolist() == [1.0, 1.0]
