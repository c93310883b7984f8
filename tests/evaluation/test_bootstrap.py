"""Resamples of models, and the intervals that they give."""

import math

import numpy as np
import pytest

from exray.evaluation.bootstrap import interval, resampling_weights


def test_resamples_keep_the_number_of_each_kind():
    truth = np.array([True, False, False, True, False])
    weights = resampling_weights(truth, resamples=50)
    assert (weights[:, truth].sum(axis=1) == 2).all()
    assert (weights[:, ~truth].sum(axis=1) == 3).all()
    with pytest.raises(ValueError, match="resamples must be >= 1; got 0"):
        resampling_weights(truth, resamples=0)


def test_an_interval_passes_over_what_is_not_defined():
    estimate = interval(1.0, np.array([np.nan, 1.0, np.inf, 1.0]))
    assert (estimate.low, estimate.high) == (1.0, 1.0)
    assert math.isnan(interval(1.0, np.array([np.nan])).low)


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation():
    truth = np.array([True] * 100)
    right = np.arange(100) < 80
    weights = resampling_weights(truth, resamples=4000, seed=0)
    estimate = interval(0.8, weights @ right / 100)
    half = 1.96 * math.sqrt(0.8 * 0.2 / 100)
    assert (estimate.low, estimate.high) == pytest.approx((0.8 - half, 0.8 + half), abs=0.015)


def test_of_very_many_models_there_are_fewer_resamples_each_as_large():
    truth = np.arange(30_000) % 3 == 0
    weights = resampling_weights(truth)
    assert weights.shape == (666, 30_000)
    assert (weights[:, truth].sum(axis=1) == 10_000).all()
    assert (weights[:, ~truth].sum(axis=1) == 20_000).all()
    assert weights.var() == pytest.approx(1.0, rel=0.01)  # as of a multinomial draw
