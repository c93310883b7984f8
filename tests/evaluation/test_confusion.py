"""Counts and rates against torchmetrics, and without a denominator."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_recall,
    binary_stat_scores,
)

from exray.evaluation.confusion import Counts, counts


@pytest.mark.parametrize("seed", range(5))
def test_counts_agree_with_torchmetrics(seed):
    rng = np.random.default_rng(seed)
    flagged, truth = rng.random(37) < 0.4, rng.random(37) < 0.6
    ours = counts(flagged.tolist(), truth.tolist())
    predictions, labels = torch.tensor(flagged).int(), torch.tensor(truth).int()
    tp, fp, tn, fn, _ = binary_stat_scores(predictions, labels).tolist()
    assert ours == Counts(tp=tp, fp=fp, tn=tn, fn=fn)
    recall = binary_recall(predictions, labels).item()
    specificity = binary_recall(1 - predictions, 1 - labels).item()
    assert ours.accuracy == pytest.approx(binary_accuracy(predictions, labels).item())
    assert ours.tpr == pytest.approx(recall)
    assert ours.fpr == pytest.approx(1 - specificity)
    assert ours.balanced_accuracy == pytest.approx((recall + specificity) / 2)


def test_rates_without_a_denominator_are_nan():
    assert math.isnan(counts([], []).accuracy)
    only_clean = counts([True, False], [False, False])
    assert math.isnan(only_clean.tpr)
    assert math.isnan(only_clean.balanced_accuracy)
    assert only_clean.fpr == 0.5


def test_answers_and_truths_must_pair_up():
    with pytest.raises(ValueError, match="must be as long; got 1 and 2"):
        counts([True], [True, False])
