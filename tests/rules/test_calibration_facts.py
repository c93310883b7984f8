"""What a calibration rests on."""

import pytest

from exray.rules.calibration_facts import calibration_facts
from exray.rules.calibration_files import calibrated_rule
from exray.rules.paper import PaperRule


@pytest.mark.parametrize(
    ("file", "num_models", "rate"),
    [
        ("portfolio", 283, 11 / 81),
        ("abs_both", 56, 8 / 16),
        ("abs_filter", 36, 0.0),
        ("portfolio_uneven", 283, 2 / 29),
    ],
)
def test_shipped_calibrations_say_how_often_they_were_wrong_elsewhere(file, num_models, rate):
    facts = calibrated_rule(file=file).calibration_facts()
    assert facts["num_models"] == num_models
    assert facts["false_positive_rate"] == pytest.approx(rate)
    assert facts["measured_command"].startswith("python ")


def test_the_default_rule_has_the_facts_of_the_scanners_calibration():
    rule = calibrated_rule(file=None)
    assert rule.for_scanner("portfolio").calibration_facts()["num_models"] == 283
    assert rule.calibration_facts()["num_models"] == 56


def test_thresholds_rest_on_no_calibration():
    assert PaperRule(similarity_threshold=0.8, cross_threshold=0.8).calibration_facts() == {}


def test_a_provenance_without_measurements_gives_what_it_has():
    assert calibration_facts({}) == {}
    facts = calibration_facts({"zoo": "signs", "measured": {"models": "mine", "num_clean": 0}})
    assert facts == {"zoo": "signs", "measured_num_clean": 0, "measured_on": "mine"}


def test_what_the_fallback_decided_rests_on_the_fallbacks_own_errors():
    own = {"models": "others", "num_clean": 10, "num_false_positives": 1}
    provenance = {
        "measured": {**own, "num_false_positives": 3},
        "measured_fallback": own,
        "fallback": {"left_out": {"FPR": 0.4}},
    }
    assert calibration_facts(provenance)["false_positive_rate"] == pytest.approx(0.3)
    counted = {"num_models": 9, "num_fitted": 7, "fallback": {"num_fitted": 9}}
    counts = [calibration_facts(counted, by_fallback=by)["num_models"] for by in (False, True)]
    assert counts == [7, 9]
    assert calibration_facts(provenance, by_fallback=True)["false_positive_rate"] == (
        pytest.approx(0.1)
    )
    del provenance["measured_fallback"]
    facts = calibration_facts(provenance, by_fallback=True)
    assert facts["false_positive_rate"] == pytest.approx(0.4)
    assert facts["measured_on"] == "models that the fit left out in turn"
    assert "false_positive_rate" not in calibration_facts({}, by_fallback=True)
