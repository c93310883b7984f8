"""Thresholds chosen on the models reported, on other models, and on the other half."""

import math

import numpy as np
import pandas as pd
import pytest

from exray.evaluation.thresholds import (
    best_separation,
    frozen_threshold,
    model_scores,
    swapped_halves,
    tuning_half,
    with_threshold,
)


def records(probability, trojaned, **columns):
    count = len(probability)
    values = {
        "model_id": [f"m{place}" for place in range(count)],
        "status": "done",
        "verdict": ["trojaned" if value >= 0.5 else "natural-only" for value in probability],
        "probability": np.asarray(probability, dtype=float),
        "num_triggers": 1,
        "is_trojaned": pd.array(trojaned, dtype="boolean"),
    }
    return pd.DataFrame(values | columns)


@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_does_better_than_the_best(seed):
    stream = np.random.default_rng(seed)
    scores, truth = stream.random(31).round(1), stream.random(31) < 0.5
    chosen = best_separation(scores, truth)
    tried = [np.mean((scores >= bar) == truth) for bar in [*np.linspace(-0.01, 1.01, 500), np.inf]]
    assert chosen.accuracy == pytest.approx(max(tried))
    assert np.mean((scores >= chosen.threshold) == truth) == pytest.approx(chosen.accuracy)


def test_flagging_none_is_a_threshold_too():
    chosen = best_separation(np.array([0.9, 0.1]), np.array([False, False]))
    assert (chosen.threshold, chosen.accuracy) == (math.inf, 1.0)


def test_models_without_a_judged_trigger_are_never_flagged():
    frame = records([0.1, 0.5, 0.9], [True, True, True], num_triggers=[0, 1, 1])
    frame.loc[1, "verdict"] = "inconclusive"
    assert model_scores(frame).tolist() == [-math.inf, -math.inf, 0.9]
    chosen = best_separation(model_scores(frame), np.array([True, True, True]))
    assert (chosen.threshold, chosen.accuracy) == (0.9, pytest.approx(1 / 3))


def test_nothing_gives_nothing():
    assert math.isnan(best_separation(np.array([]), np.array([], dtype=bool)).accuracy)


def test_a_threshold_chosen_elsewhere_does_not_look_at_the_models_reported():
    tuning = records([0.2, 0.3, 0.6, 0.7], [False, False, True, True])
    reporting = records([0.5, 0.44, 0.2], [True, True, False])
    frozen = frozen_threshold(tuning, reporting, "l2")
    assert frozen.flagged.tolist() == [True, False, False]  # the bar lies at 0.45
    best = best_separation(model_scores(reporting), frozen.is_trojaned)
    better = with_threshold(reporting, best.threshold, "l2")
    assert better.counts.accuracy == 1 > frozen.counts.accuracy


def test_halves_hold_half_of_each_kind_and_follow_the_seed():
    truth = np.array([True] * 6 + [False] * 9)
    half = tuning_half(truth, seed=3)
    assert (half[truth].sum(), half[~truth].sum()) == (3, 5)
    assert (half == tuning_half(truth, seed=3)).all()
    assert any((half != tuning_half(truth, seed=seed)).any() for seed in range(5))


def test_noise_looks_better_by_its_best_separation_than_by_halves():
    best, honest = [], []
    for seed in range(30):
        stream = np.random.default_rng(seed)
        frame = records(stream.random(24), [True, False] * 12)
        truth = frame["is_trojaned"].to_numpy(dtype=bool)
        best.append(best_separation(model_scores(frame), truth).accuracy)
        honest.append(swapped_halves(frame, "noise", seed=seed).counts.accuracy)
    assert np.mean(best) > 0.58
    assert abs(np.mean(honest) - 0.5) < 0.06
