"""Where records come from, as a report shows it."""

from dataclasses import replace

from exray.reports.provenance_facts import provenance_pairs, shared_pairs
from exray.results.provenance import Provenance
from exray.results.records import ScanRecord
from exray.rules.verdict import Verdict


def record(**origin):
    return ScanRecord(
        model_id="m",
        run_id="r",
        status="done",
        verdict=Verdict.CLEAN,
        probability=0.1,
        temperature=1.25,
        provenance=Provenance(**origin),
    )


def test_an_old_record_has_no_origin():
    assert provenance_pairs(record()) == []
    assert shared_pairs([record()]) == []


def test_mappings_are_listed_and_the_temperature_is_among_them():
    pairs = dict(provenance_pairs(record(date="d", images_per_class={"stop": 3, "yield": 0})))
    assert pairs["images per class"] == "stop 3, yield 0"
    assert pairs["temperature"] == "1.25"


def test_a_share_is_rounded_and_a_failed_scan_has_no_temperature():
    facts = {"false_positive_rate": 10 / 60, "num_models": 119}
    failed = replace(record(date="d", calibration=facts), status="failed")
    pairs = dict(provenance_pairs(failed))
    assert pairs["calibration"] == "false positive rate 0.167, num models 119"
    assert "temperature" not in pairs


def test_fields_that_all_records_share_are_shown_once_and_many_values_are_counted():
    records = [record(date=f"d{index}", commit="c", model_sha256=str(index)) for index in range(3)]
    pairs = dict(shared_pairs(records))
    assert pairs == {"date": "d0 to d2", "commit": "c", "model SHA-256": "3 different ones"}


def test_a_single_record_shows_images_preprocessing_and_temperature_too():
    origin = {"images_sha256": "ab", "images_per_class": {"stop": 3}}
    origin |= {"preprocessing": {"scaling": "unit"}, "calibration": {"zoo": "signs"}}
    pairs = dict(shared_pairs([record(date="d", **origin)]))
    assert pairs == {
        "date": "d",
        "images SHA-256": "ab",
        "images per class": "stop 3",
        "preprocessing": "scaling unit",
        "temperature": "1.25",
    }
