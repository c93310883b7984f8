"""Paired tests by hand, and the paper's own figures of what exray prunes."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from exray.evaluation.paired_tests import in_common, paired_test, pruning


def flags(make_predictions, *, trojaned, clean, of=(276, 552), name=""):
    truth = [True] * of[0] + [False] * of[1]
    flagged = [1.0] * trojaned + [0.0] * (of[0] - trojaned)
    flagged += [1.0] * clean + [0.0] * (of[1] - clean)
    return make_predictions(truth, flagged, name=name)


def test_pruning_gives_the_papers_figures_for_round_2(make_predictions):
    scanner = flags(make_predictions, trojaned=254, clean=218)
    judged = flags(make_predictions, trojaned=198, clean=19)
    change = pruning(scanner, judged, resamples=200)
    assert change.fp_reduction.value == pytest.approx(1 - 19 / 218)
    assert change.tp_loss.value == pytest.approx(1 - 198 / 254)
    assert change.accuracy_gain.value == pytest.approx(0.883 - 0.710, abs=1e-3)
    assert 0.85 < change.fp_reduction.low < change.fp_reduction.value < change.fp_reduction.high < 1


def test_without_false_positives_there_is_no_reduction(make_predictions):
    scanner = flags(make_predictions, trojaned=2, clean=0, of=(3, 3))
    change = pruning(scanner, scanner, resamples=20)
    assert math.isnan(change.fp_reduction.value)
    assert change.tp_loss.value == 0


def test_the_exact_test_counts_only_models_on_which_the_two_differ(make_predictions):
    truth = [True] * 12
    first = make_predictions(truth, [1.0] * 9 + [0.0] * 3, name="a")
    second = make_predictions(truth, [0.0] * 8 + [1.0] * 2 + [0.0] * 2, name="b")
    test = paired_test(first, second, resamples=50)
    assert (test.only_first_right, test.only_second_right) == (8, 1)
    assert test.p_value == pytest.approx(binomtest(8, 9).pvalue)
    assert test.p_value == pytest.approx(2 * (1 + 9) / 2**9)
    assert math.isnan(test.differences["ROC-AUC"].value)
    assert test.differences["accuracy"].value == pytest.approx(7 / 12)


def test_a_judge_does_not_differ_from_itself(random_predictions):
    predictions = random_predictions(0)
    test = paired_test(predictions, predictions, resamples=50)
    assert test.p_value == 1
    assert all(
        difference.value == difference.low == difference.high == 0
        for difference in test.differences.values()
    )


def test_pairing_narrows_the_interval_of_a_difference(random_predictions, make_predictions):
    one = random_predictions(0)
    better = make_predictions(
        one.is_trojaned, np.clip(one.probability + 0.1 * one.is_trojaned, 0, 1)
    )
    paired = paired_test(better, one, resamples=300).differences["ROC-AUC"]
    apart = paired_test(random_predictions(5), one, resamples=300).differences["ROC-AUC"]
    assert paired.low > 0
    assert paired.high - paired.low < apart.high - apart.low


def test_answers_are_paired_by_model_not_by_place(make_predictions):
    first = make_predictions([True, False, True], [0.9, 0.1, 0.8], ids=("a", "b", "c"))
    second = make_predictions([False, True], [0.3, 0.7], ids=("b", "a"))
    one, two = in_common(first, second)
    assert one.model_ids == two.model_ids == ("a", "b")
    assert two.probability.tolist() == [0.7, 0.3]


def test_answers_about_other_models_cannot_be_paired(make_predictions):
    first = make_predictions([True], [0.9], ids=("a",), name="x")
    with pytest.raises(ValueError, match="x and y have no model in common; give records of one"):
        in_common(first, make_predictions([True], [0.9], ids=("b",), name="y"))
    with pytest.raises(ValueError, match="x and y disagree whether a is trojaned"):
        in_common(first, make_predictions([False], [0.9], ids=("a",), name="y"))
