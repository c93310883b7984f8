"""SRI-CLS's fit separates where the numbers differ, knows where they do not, and repeats."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from exray.scanners.sri.logistic_fit import FitSettings, fit_trojan_probability

SETTINGS = FitSettings(penalty=0.01, folds=4, repeats=2, seed=0)


def zoo(signal):
    """Numbers of 24 classifiers; those of the trojaned ones are shifted."""
    is_trojaned = np.arange(24) % 2 == 1
    return np.random.default_rng(0).normal(size=24) + signal * is_trojaned, is_trojaned


def test_unseen_classifiers_are_separated_where_the_numbers_differ_and_only_there():
    values, truth = zoo(signal=5.0)
    unseen = fit_trojan_probability(values, truth, SETTINGS).unseen_probabilities
    assert unseen.shape == (2, 24)
    assert ((unseen > 0.5) == truth).mean() >= 0.9
    values, truth = zoo(signal=0.0)
    unseen = fit_trojan_probability(values, truth, SETTINGS).unseen_probabilities
    assert ((unseen > 0.5) == truth).mean() < 0.8
    assert np.abs(unseen - 0.5).mean() < 0.3  # calibrated: it knows that it knows nothing


def test_the_fit_minimises_mean_cross_entropy_and_penalty_up_to_the_temperature():
    values, truth = zoo(signal=1.0)
    scaled, signs = (values - values.mean()) / values.std(), np.where(truth, 1, -1)

    def loss(line):
        cross_entropy = np.logaddexp(0, -signs * (line[0] * scaled + line[1])).mean()
        return cross_entropy + SETTINGS.penalty * line[0] ** 2

    weight, bias = minimize(loss, np.zeros(2)).x
    model = fit_trojan_probability(values, truth, SETTINGS).model
    assert model.bias / model.weight == pytest.approx(bias / weight, abs=1e-3)
    assert (model.centre, model.scale) == pytest.approx((values.mean(), values.std()))


def test_the_same_seed_gives_the_same_fit():
    values, truth = zoo(signal=1.0)
    one, other = (fit_trojan_probability(values, truth, SETTINGS) for _ in range(2))
    assert one.model == other.model
    assert np.array_equal(one.unseen_probabilities, other.unseen_probabilities)


def test_too_few_of_a_kind_are_refused():
    values, truth = zoo(signal=1.0)
    with pytest.raises(ValueError, match=r"folds=4 needs as many clean.*got 3 of one kind"):
        fit_trojan_probability(values[:7], truth[:7], SETTINGS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"penalty": 0.0}, "penalty must be positive; got 0.0"),
        ({"repeats": 0}, "repeats must be >= 1; got 0"),
        ({"folds": 1}, "folds must be >= 2; got 1"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **changes)
