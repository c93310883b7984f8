"""What all rules by thresholds share, on a rule of one number."""

import pytest

from exray.rules.base import Decision, ThresholdRule, unconverged_pairs
from exray.rules.conditions import above


class Overlap(ThresholdRule):
    """Natural where more than 0.8 of the masks overlap."""

    @property
    def thresholds(self):
        return {"similarity": 0.8}

    def natural(self, measurements):
        return above(measurements["similarity"], 0.8)

    def numbers(self, measurements):
        return f"overlap {measurements['similarity']:.0%}"


def measured(similarity, target=1.0, stamped=1.0):
    return {
        "similarity": similarity,
        "converged_victim_target": target,
        "converged_victim_stamped": stamped,
    }


@pytest.mark.parametrize(("similarity", "injected"), [(0.2, True), (0.8, True), (0.9, False)])
def test_verdict_reason_and_margin_follow_the_condition(similarity, injected):
    values = measured(similarity)
    decision = Overlap().decide(values)
    assert decision.is_injected is Overlap().injects(values) is injected
    assert decision.reason.startswith("injected: " if injected else "natural: ")
    assert decision.reason.endswith(f"; overlap {similarity:.0%}")
    assert (decision.measurements, decision.thresholds) == (values, {"similarity": 0.8})
    assert Overlap().margin(values) == pytest.approx(similarity - 0.8)


@pytest.mark.parametrize(("target", "stamped"), [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_masks_that_did_not_converge_outweigh_any_overlap(target, stamped):
    values = measured(1.0, target, stamped)
    decision = Overlap().decide(values)
    assert (decision.is_injected, decision.score) == (True, 0.5)
    assert Overlap().injects(values)
    assert Overlap().margin(values) == 0
    assert f"no mask exchanges {' and '.join(unconverged_pairs(values))}," in decision.reason


def test_thresholds_say_nothing_of_models_without_triggers_and_have_no_file():
    assert Overlap().probability_without_triggers is None
    assert Overlap().fingerprint == ""


def test_a_score_outside_zero_and_one_is_refused():
    with pytest.raises(ValueError, match=r"score must lie in \[0, 1\]; got 1.5"):
        Decision(is_injected=True, score=1.5, reason="", measurements={}, thresholds={})
