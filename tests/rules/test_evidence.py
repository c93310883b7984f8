"""What calibrations of groups weigh: values that may be missing, signs, searches that agree."""

import math

import pytest

from exray.rules.evidence import OF_JUDGE, PORTFOLIO_WORDS, WORDS, sign_of, value_of, with_agreement


def test_every_measurement_has_a_value_and_belongs_to_the_scanner_or_the_judge(measured):
    row = {**measured(), **dict.fromkeys(PORTFOLIO_WORDS, 2.0)}
    assert all(math.isfinite(value_of(name, row)) for name in WORDS)
    assert set(WORDS) - set(PORTFOLIO_WORDS) == OF_JUDGE


@pytest.mark.parametrize("name", list(WORDS))
def test_what_was_not_measured_or_is_nan_in_a_table_does_not_apply(measured, name):
    assert math.isnan(value_of(name, {}))
    assert math.isnan(value_of(name, dict.fromkeys([*measured(), *PORTFOLIO_WORDS], math.nan)))


def test_masks_that_did_not_converge_say_nothing_and_the_rest_does(measured):
    row = measured(converged=0.0)
    assert math.isnan(value_of("similarity", row))
    assert math.isnan(value_of("weakest_cross", row))
    assert value_of("confidence_shift", row) == 1.5


def test_signs_are_those_of_theory():
    for name in ("strength", "margin_wide", "asymmetry", "asr_lower", "shifted_strength"):
        assert sign_of(name, is_universal=False) == 1
    for name in ("reverse_strength", "strength_median", "similarity", "similarity_quantile"):
        assert sign_of(name, is_universal=True) == -1
    assert [sign_of("universality", is_universal=reach) for reach in (True, False, None)] == [
        1,
        0,
        0,
    ]
    assert sign_of("cross_victim_into_target", is_universal=True) == 0


def test_other_searches_to_the_same_target_are_counted_once_each():
    rows = [{"is_patch": 1.0}, {"is_warp": 1.0}, {"is_warp": 1.0}, {"is_filter": 1.0}]
    agreeing = [row["num_agreeing"] for row in with_agreement(rows, [5, 5, 5, 1])]
    assert agreeing == [1, 1, 1, 0]
