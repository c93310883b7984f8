"""The calibrated rule: its probability by hand, and its evidence in words."""

import math

import pytest

from exray.rules.calibrated import CalibratedRule
from exray.rules.calibration import logistic


@pytest.fixture
def rule(fitted, written):
    """The rule by the calibration of two measurements."""
    return CalibratedRule(file=str(written(fitted)))


def test_the_probability_is_the_logistic_of_the_weighted_measurements(rule, fitted, measured):
    values = measured(similarity=0.5, weakest=0.25)  # two deviations and one under the mean
    assert fitted.probability(values) == pytest.approx(1 / (1 + math.exp(-(-1 + 4 + 1))))
    decided = rule.decide(values)
    assert decided.is_injected
    assert decided.score == pytest.approx(logistic(4.0))
    assert decided.measurements["push_similarity"] == 4
    assert decided.measurements["push_weakest_cross"] == 1
    assert decided.reason == (
        "injected: 98% likely to be injected; log-odds from the masks' overlap +4.0, the weakest "
        "cross accuracy +1.0"
    )


@pytest.mark.parametrize("similarity", [0.0, 0.3, 0.5, 0.6, 0.7, 1.0])
@pytest.mark.parametrize("weakest", [0.0, 0.5, 1.0])
def test_one_half_parts_injected_from_natural(rule, measured, similarity, weakest):
    decided = rule.decide(measured(similarity, weakest))
    assert decided.is_injected == (decided.score >= 0.5)
    pushed = sum(value for name, value in decided.measurements.items() if name.startswith("push_"))
    assert decided.score == pytest.approx(logistic(pushed - 1.0))


def test_masks_that_did_not_converge_get_their_own_probability(rule, measured):
    decided = rule.decide(measured(converged=0.0))
    assert (decided.score, decided.is_injected) == (0.3, False)
    assert decided.reason.endswith("no mask exchanges victim and stamped, so nothing was compared")
    assert rule.probability_without_triggers == 0.2
