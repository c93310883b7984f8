"""The threshold keeps its false-positive rate, and the slope its calibration."""

import math

import numpy as np
import pytest

from exray.evaluation.rejudging.model_level_fit import conformal_score, fitted_level


@pytest.mark.parametrize(("num_clean", "rate"), [(19, 0.1), (60, 0.1), (40, 0.2)])
def test_new_clean_models_are_flagged_at_the_stated_rate_and_not_more(num_clean, rate):
    stream = np.random.default_rng(0)
    flagged = [
        stream.normal() > conformal_score(stream.normal(size=num_clean), rate) for _ in range(20000)
    ]
    exact = math.floor((num_clean + 1) * rate) / (num_clean + 1)
    assert exact <= rate
    assert np.mean(flagged) == pytest.approx(exact, abs=0.008)


def test_too_few_clean_models_for_the_rate_give_their_highest_score():
    assert conformal_score(np.array([1.0, 5.0, 3.0]), 0.1) == 5
    assert conformal_score(np.zeros(0), 0.1) == -math.inf


def level(evidence, truth, **changes):
    weights = np.ones(len(evidence))
    values = {"weights": weights, "num_silent": 0, "combination": "noisy_or", "rule": "conformal"}
    counts = changes.pop("counts", np.ones(len(evidence), dtype=np.int64))
    return fitted_level(
        np.asarray(evidence, dtype=np.float64),
        counts,
        np.asarray(truth),
        **values | {"false_positive_rate": 0.1} | changes,
    )


def drawn(num_models=200, apart=3.0):
    stream = np.random.default_rng(1)
    truth = np.arange(num_models) % 2 == 0
    return stream.normal(size=num_models) + apart * truth, truth


@pytest.mark.parametrize("rule", ["conformal", "balanced"])
def test_no_more_clean_models_than_allowed_lie_above_the_threshold(rule):
    evidence, truth = drawn()
    fitted = level(evidence, truth, rule=rule)
    above = evidence >= fitted.threshold
    assert above[~truth].mean() <= 0.1
    assert above[truth].mean() > 0.8
    assert fitted.false_positive_rate == (above[~truth].sum() + 1) / 102


def test_the_balanced_threshold_has_the_best_balanced_accuracy_from_the_conformal_one_on():
    evidence, truth = drawn(apart=5.0)
    lowest, best = (level(evidence, truth, rule=rule) for rule in ("conformal", "balanced"))

    def balanced(threshold):
        above = evidence >= threshold
        return above[truth].mean() - above[~truth].mean()

    assert best.threshold > lowest.threshold
    grid = np.linspace(lowest.threshold, evidence.max(), 500)
    assert balanced(best.threshold) >= max(balanced(value) for value in grid)


def test_the_slope_is_that_of_the_log_odds_which_are_zero_at_the_threshold():
    evidence, truth = drawn(num_models=4000, apart=2.0)  # log-odds 2 * (x - 1)
    fitted = level(evidence, truth, false_positive_rate=0.159)  # a normal's share above 1
    assert fitted.threshold == pytest.approx(1.0, abs=0.1)
    assert fitted.slope_above == pytest.approx(2.0, abs=0.25)
    assert fitted.slope_below == pytest.approx(2.0, abs=0.25)


def test_where_many_trojaned_models_are_missed_little_evidence_says_little():
    evidence, truth = drawn(num_models=2000, apart=6.0)
    missed = truth & (np.arange(2000) % 4 == 0)
    fitted = level(np.where(missed, 0.0, evidence), truth)
    assert fitted.slope_above > 2 * fitted.slope_below


def test_models_of_little_weight_say_little():
    evidence, truth = drawn(num_models=400, apart=2.0)
    strange = np.arange(400) % 4 == 0  # trojaned models without evidence
    mixed = np.where(strange, -2.0, evidence)
    equal, light = (level(mixed, truth, weights=np.where(strange, w, 1.0)) for w in (1.0, 0.01))
    assert equal.slope_below < 0.5 * light.slope_below


def test_clean_models_without_triggers_count_for_the_rate_but_are_not_flagged():
    evidence, truth = drawn(num_models=40)
    fewer = level(evidence, truth, num_silent=200)
    assert fewer.threshold < level(evidence, truth).threshold


def test_of_many_triggers_the_maximum_says_less_and_never_more():
    stream = np.random.default_rng(0)
    counts = stream.integers(1, 40, size=600)
    truth = np.arange(600) % 2 == 0
    evidence = np.log(counts) + stream.normal(size=600) + 3 * truth
    assert level(evidence, truth, counts=counts, combination="maximum").count_weight == (
        pytest.approx(-1.0, abs=0.2)
    )
    assert level(evidence, truth, counts=counts).count_weight == 0
    rising = level(-evidence + 6 * truth, truth, counts=counts, combination="maximum")
    assert rising.count_weight == 0


def test_models_of_one_kind_leave_the_evidence_as_it_is():
    fitted = level([1.0, 2.0], [False, False])
    assert (fitted.slope_above, fitted.slope_below, fitted.threshold) == (1.0, 1.0, 3.0)
    assert level([1.0, 2.0], [True, True]).threshold == 0.0
    assert level([1.0], [True], rule="balanced").threshold == 0.0
