"""Fitting in groups: what is planted is learnt, signs and limits hold, models are left out."""

import numpy as np
import pytest

from exray.evaluation.rejudging.grouped_examples import GroupSpec, grouped_examples
from exray.evaluation.rejudging.grouped_fit import GroupedFitter, Setup
from tests.evaluation.rejudging.conftest import drawn_zoo

SPECS = tuple(
    GroupSpec(
        name=f"{is_universal}",
        searches=("patch", "picture"),
        is_universal=is_universal,
        sets=(("strength", "margin_wide"),),
    )
    for is_universal in (True, False)
)


def setup(combination="noisy_or", features=("strength", "margin_wide"), borrowing=0.0):
    return Setup(
        sets=(features, features), penalty=1.0, borrowing=borrowing, combination=combination
    )


def fitter(threshold="balanced", **changes):
    examples = grouped_examples(*drawn_zoo(**changes), SPECS)
    return GroupedFitter(examples, SPECS, threshold=threshold, false_positive_rate=0.1)


@pytest.mark.parametrize("combination", ["noisy_or", "maximum", "stacked"])
@pytest.mark.parametrize("threshold", ["conformal", "balanced"])
def test_models_left_out_are_told_apart_and_few_clean_ones_flagged(combination, threshold):
    own = fitter(threshold, num_models=96, telling=8.0)
    probability = own.left_out(setup(combination), folds=4, seed=0)
    flagged, truth = probability >= 0.5, own.examples.is_trojaned
    assert flagged[truth].mean() > 0.85
    assert flagged[~truth].mean() <= 0.15
    assert probability.min() >= 1 / (72 + 2)
    assert probability.max() <= 1 - 1 / (72 + 2)


def test_what_is_planted_has_a_weight_of_its_sign_and_noise_hardly_any():
    own = fitter(num_models=96)
    fit = own.fit(setup(), np.ones(96, dtype=bool))
    for group in fit.groups:
        strength, margin = group.model.weight
        assert strength > 0.5
        assert 0 <= margin < 0.5


def test_a_fit_knows_nothing_of_models_that_are_left_out():
    own = fitter()
    models = np.arange(48) < 40
    before = own.fit(setup(), models)
    other = fitter()
    other.examples.columns["strength"][other.examples.owner >= 40] += 50.0
    after = other.fit(setup(), models)
    assert before.level == after.level
    np.testing.assert_array_equal(before.probability[models], after.probability[models])


def test_noise_says_nothing_about_models_left_out():
    own = fitter("conformal", telling=0.0, num_models=120)
    probability = own.left_out(setup("maximum"), folds=4, seed=0)
    truth = own.examples.is_trojaned
    assert abs((probability >= 0.5)[truth].mean() - (probability >= 0.5)[~truth].mean()) < 0.2


def test_models_without_triggers_have_their_share_and_never_one_half():
    records, triggers = drawn_zoo()
    silent = [f"m{place}" for place in range(0, 12, 2)]
    examples = grouped_examples(records, triggers[~triggers["model_id"].isin(silent)], SPECS)
    own = GroupedFitter(examples, SPECS, threshold="balanced", false_positive_rate=0.1)
    fit = own.fit(setup(), np.ones(48, dtype=bool))
    assert fit.without_triggers == 0.49
    assert fit.probability[:12:2].tolist() == [0.49] * 6


def test_without_features_a_group_says_how_common_its_injected_triggers_are():
    fit = fitter().fit(setup(features=()), np.ones(48, dtype=bool))
    assert [group.model.weight.size for group in fit.groups] == [0, 0]
    assert [group.model.bias for group in fit.groups] == pytest.approx([np.log(12.5 / 25.5)] * 2)


def test_a_group_without_injected_triggers_learns_from_the_others():
    own = fitter(num_models=96)
    universal = own.examples.having("reach", "universal")
    alone, helped = (
        own.fit(setup(borrowing=borrowing), ~universal).groups[0].model for borrowing in (0.0, 0.2)
    )
    assert alone.weight.tolist() == [0.0, 0.0]
    assert helped.weight[0] > 0.3
