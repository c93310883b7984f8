"""What a scan comes to, in sentences that somebody can act on."""

import math
from dataclasses import replace

import pytest

from exray.reports.answer import LIMITS, answer_of, has_probability, ordered_triggers
from exray.results.model_scan import ModelScan
from exray.results.provenance import Provenance
from exray.results.records import ScanRecord
from exray.rules.calibration_files import calibrated_rule
from exray.rules.verdict import Verdict

SEARCHES = [
    {
        "name": name,
        "num_candidates": 10,
        "num_found": 0,
        "best_strength": 1.5,
        "image_passes": 7,
        "seconds": 1.0,
        "inconclusive": why,
    }
    for name, why in (("patch", ""), ("warp", "no gradient"))
]


def record(verdict=Verdict.CLEAN, **values):
    fields = {"model_id": "m", "run_id": "r", "status": "done", "probability": 0.25}
    return ScanRecord(**{**fields, "verdict": verdict, "searches": SEARCHES, **values})


def said(scan):
    answer = answer_of(scan)
    return " ".join((*answer.sentences, *answer.next_steps))


@pytest.fixture
def origin():
    facts = calibrated_rule(file="portfolio").calibration_facts()
    return Provenance(images_per_class={"stop": 4, "yield": 6, "ghost": 0}, calibration=facts)


def test_a_trojaned_model_names_the_classes_the_search_and_what_to_do_first(make_trigger):
    scan = ModelScan(
        record=record(Verdict.TROJANED, probability=0.9),
        triggers=(make_trigger(0, is_injected=False), make_trigger(1, is_injected=True)),
    )
    answer = answer_of(scan)
    assert answer.headline == (
        "This model looks backdoored. Images of 'stop' are taken for 'yield' in 97 % of cases once "
        "a trigger is in them, found by the search abs, and the judge takes that trigger for "
        "injected."
    )
    assert answer.next_steps[0] == "Do not use this model."


def test_a_calibrated_probability_says_what_it_rests_on_and_how_often_it_was_wrong(origin):
    text = said(ModelScan(record=record(provenance=origin)))
    assert "Probability of a backdoor: 0.25, by a calibration fitted on 283 models" in text
    assert "it called 11 of 81 clean models trojaned (14 %) and 59 of 69 trojaned ones." in text


def test_an_alarm_says_what_it_comes_to_where_classes_were_uneven(make_trigger):
    alarm = record(Verdict.TROJANED, probability=0.9)
    triggers = tuple(
        make_trigger(index, is_injected=True, probability_if_uneven=chance)
        for index, chance in enumerate((0.04, 0.12, math.nan))
    )
    text = said(ModelScan(record=alarm, triggers=triggers))
    assert "unlike numbers of training images" in text
    assert "the probability of a backdoor is 0.12 (exray scan --judge exray_uneven)" in text
    other = said(ModelScan(record=alarm, triggers=(make_trigger(0, is_injected=True),)))
    assert "exray_uneven" not in other


def test_without_a_calibration_the_score_is_called_a_rank():
    text = said(ModelScan(record=record(scanner="abs", judge="exray", searches=[])))
    assert "a rank and no probability" in text
    assert "Looked for: patches of one colour between two classes (0 candidates)." in text


def test_a_clean_model_says_what_was_looked_for_and_what_not(origin):
    text = said(ModelScan(record=record(provenance=origin)))
    assert "Looked for: patches of any colours, smooth warps (20 candidates in 2 searches" in text
    assert "on 10 clean images of 2 classes" in text
    assert "triggers to or from ghost, without usable images" in text
    assert "since they could not be made: warp" in text
    assert "some class had 4, and a verdict on fewer than 10 moves easily" in text


def test_many_images_need_no_more(origin):
    plenty = replace(origin, images_per_class={"stop": 10, "yield": 40})
    assert "more clean images" not in said(ModelScan(record=record(provenance=plenty)))


def test_natural_triggers_name_the_pairs_that_a_patch_flips(make_trigger):
    triggers = tuple(make_trigger(index, is_injected=False) for index in range(2))
    text = said(ModelScan(record=record(Verdict.NATURAL_ONLY, num_triggers=2), triggers=triggers))
    assert "Triggers that flip classes: 2, none of them judged injected" in text
    assert "telling apart stop and yield: a patch flips them" in text


def test_an_inconclusive_scan_gives_its_reason_and_no_probability():
    warnings = ["3 of 9 images are misclassified", "inconclusive: clean accuracy 0.10 is low"]
    text = said(ModelScan(record=record(Verdict.INCONCLUSIVE, warnings=warnings)))
    assert "Nothing can be said of this model: clean accuracy 0.10 is low." in text
    assert "Probability of a backdoor" not in text
    assert "Looked for" not in text


def test_a_failed_scan_gives_its_error_and_no_probability():
    failed = record(Verdict.FAILED, status="failed", error_line="FILE holds no network")
    assert not has_probability(failed)
    text = said(ModelScan(record=failed))
    assert "The model was not scanned: FILE holds no network" in text
    assert "There is no verdict and no probability." in text
    assert "do not use it" in text


def test_the_most_suspicious_trigger_comes_first(make_trigger):
    weak = replace(make_trigger(0, is_injected=True), score=0.6)
    triggers = [make_trigger(2, is_injected=False), weak, make_trigger(1, is_injected=True)]
    assert [one.index for one in ordered_triggers(triggers)] == [1, 0, 2]


def test_the_limits_cite_the_impossibility_result():
    assert any("2402.16926" in limit for limit in LIMITS)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_says_what_to_do_next(verdict):
    assert answer_of(ModelScan(record=record(verdict))).next_steps
