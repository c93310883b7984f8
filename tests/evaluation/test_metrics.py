"""The figures against scikit-learn and torchmetrics, their intervals, and degenerate zoos."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from torchmetrics.functional.classification import binary_auroc

from exray.evaluation.bootstrap import resampling_weights
from exray.evaluation.metrics import METRICS, resampled_scores, scores, statistics
from exray.evaluation.predictions import Predictions


def repeated(predictions, weights):
    """The resample that the weights stand for, drawn out model by model."""
    return predictions.select(np.repeat(np.arange(len(predictions)), weights.astype(int)))


def test_the_cross_entropy_of_a_wrong_certainty_is_clipped_as_nist_does(make_predictions):
    figures = scores(make_predictions([True, False], [0.0, 0.0]))
    assert figures["cross-entropy"] == pytest.approx(-math.log(1e-12) / 2)


def test_figures_by_hand(make_predictions):
    figures = scores(make_predictions([True, True, False, False], [0.9, 0.4, 0.6, 0.1]))
    assert figures["TP"] == figures["FP"] == 1
    assert figures["accuracy"] == figures["balanced accuracy"] == 0.5
    assert figures["ROC-AUC"] == 0.75
    logs = math.log(0.9) + math.log(0.4) + math.log(0.4) + math.log(0.9)
    assert figures["cross-entropy"] == pytest.approx(-logs / 4)
    assert figures["Brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)


@pytest.mark.parametrize("seed", range(3))
def test_rates_and_area_agree_with_other_libraries(random_predictions, seed):
    predictions = random_predictions(seed)
    figures = scores(predictions)
    truth = torch.tensor(predictions.is_trojaned).int()
    area = binary_auroc(torch.tensor(predictions.probability), truth).item()
    assert figures["ROC-AUC"] == pytest.approx(area)
    balanced = balanced_accuracy_score(predictions.is_trojaned, predictions.flagged)
    assert figures["balanced accuracy"] == pytest.approx(balanced)


def test_every_resampled_figure_is_that_of_the_models_drawn(random_predictions):
    predictions = random_predictions(0)
    weights = resampling_weights(predictions.is_trojaned, resamples=20, seed=1)
    resampled = resampled_scores(predictions, weights)
    for place, drawn in enumerate(weights):
        for name, value in scores(repeated(predictions, drawn)).items():
            assert resampled[name][place] == pytest.approx(value), name


def test_the_interval_covers_as_often_as_it_says(random_predictions):
    """Over many zoos of one kind the interval holds the kind's area about 95 times of 100."""
    pooled = [random_predictions(seed, num_models=60) for seed in range(100, 220)]
    truth = np.concatenate([zoo.is_trojaned for zoo in pooled])
    area = roc_auc_score(truth, np.concatenate([zoo.probability for zoo in pooled]))
    areas = [statistics(zoo, resamples=300).estimates["ROC-AUC"] for zoo in pooled]
    covered = np.mean([estimate.low <= area <= estimate.high for estimate in areas])
    assert 0.85 <= covered <= 1.0
    assert np.mean([estimate.high - estimate.low for estimate in areas]) < 0.35


def test_intervals_hold_the_figure_and_follow_the_seed(random_predictions):
    predictions = random_predictions(3)
    first, again, other = (statistics(predictions, resamples=200, seed=seed) for seed in (0, 0, 1))
    for name in METRICS:
        estimate = first.estimates[name]
        assert estimate.low <= estimate.value <= estimate.high
    assert first.estimates == again.estimates
    assert first.estimates != other.estimates


def test_one_kind_of_model_gives_no_area_and_no_balanced_accuracy(make_predictions):
    estimates = statistics(make_predictions([False, False], [0.2, 0.7])).estimates
    for name in ("TPR", "balanced accuracy", "ROC-AUC"):
        assert math.isnan(estimates[name].value)
        assert math.isnan(estimates[name].low)
    assert estimates["FPR"].value == 0.5


def test_equal_scores_rank_nothing(make_predictions):
    area = statistics(make_predictions([True, False, False], [0.3, 0.3, 0.3])).estimates["ROC-AUC"]
    assert (area.value, area.low, area.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("truth", [[], [True], [False], [True, False]])
def test_without_probabilities_the_counts_remain(make_predictions, truth):
    figures = statistics(make_predictions(truth, [math.nan] * len(truth)))
    assert math.isnan(figures.estimates["cross-entropy"].value)
    assert figures.counts.total == len(truth)
    assert math.isnan(figures.estimates["accuracy"].value) == (not truth)


def test_the_area_on_resamples_is_that_of_every_pair_compared(monkeypatch):
    """Against the table of all pairs, with ties, in several parts."""
    monkeypatch.setattr("exray.evaluation.metrics.AT_ONCE", 100)
    stream = np.random.default_rng(0)
    truth = stream.random(40) < 0.4
    probability = stream.integers(0, 8, 40) / 8
    predictions = Predictions(
        name="x",
        model_ids=tuple(map(str, range(40))),
        is_trojaned=truth,
        flagged=probability > 0.5,
        probability=probability,
    )
    weights = resampling_weights(truth, resamples=20)
    trojaned, clean = probability[truth][:, None], probability[~truth]
    ordered = (trojaned > clean) + 0.5 * (trojaned == clean)
    won = ((weights[:, truth] @ ordered) * weights[:, ~truth]).sum(axis=1)
    expected = won / (truth.sum() * (~truth).sum())
    assert resampled_scores(predictions, weights)["ROC-AUC"].tolist() == expected.tolist()
