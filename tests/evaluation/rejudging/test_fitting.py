"""What fits share: scaling with gaps, smoothed shares, folds of few models."""

import math

import numpy as np
import pytest

from exray.evaluation.rejudging.fitting import moments, smoothed, standardized, stratified_folds


def test_values_are_scaled_by_what_applies_clipped_and_gaps_are_zero():
    inputs = np.array([[1.0, math.nan], [3.0, math.nan], [math.nan, math.nan]])
    centre, scale = moments(inputs)
    assert (centre.tolist(), scale.tolist()) == ([2.0, 0.0], [1.0, 1.0])
    far = np.array([[99.0, math.nan]])
    assert standardized(far, centre, scale).tolist() == [[3.0, 0.0]]


def test_a_share_of_nothing_is_the_prior_and_none_is_certain():
    assert smoothed(np.zeros(0, dtype=bool), 0.25) == 0.25
    assert smoothed(np.ones(6, dtype=bool), 0.25) == pytest.approx(6.5 / 8)
    weights = np.array([1.0, 0.5])
    assert smoothed(np.array([True, False]), 0.25, weights=weights) == pytest.approx(1.5 / 3.5)


def test_folds_part_the_chosen_models_and_there_are_none_of_a_single_kind():
    truth = np.arange(10) % 2 == 0
    chosen = np.arange(10) < 8
    folds = stratified_folds(truth, chosen, count=5, seed=0)
    assert len(folds) == 4
    assert (np.sum(folds, axis=0) == chosen).all()
    assert all(truth[fold].sum() == 1 for fold in folds)
    assert stratified_folds(truth, truth, count=5, seed=0) == []
