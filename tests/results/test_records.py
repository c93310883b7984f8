"""Records as plain values: what comes back, what is renamed, what is refused."""

import json

import pytest

from exray.results.records import ScanRecord, TriggerRecord
from exray.rules.verdict import Verdict

SCAN = ScanRecord(
    model_id="m1",
    run_id="r",
    status="done",
    verdict=Verdict.TROJANED,
    probability=0.75,
    seconds={"total": 1.5},
    warnings=["few images"],
    look={"form": "zip", "bytes": 3},
    truth={"is_trojaned": True, "trigger": None},
)
TRIGGER = TriggerRecord(
    index=1,
    victim_class=0,
    target_class=2,
    victim_name="stop",
    target_name="yield",
    source="abs",
    asr=0.9,
    target_probability=0.8,
    size_pixels=12.0,
    is_injected=True,
    score=0.7,
    reason="dissimilar",
    measurements={"similarity": 0.5},
    is_true_trigger=False,
)


@pytest.mark.parametrize("record", [SCAN, TRIGGER], ids=["scan", "trigger"])
def test_a_record_comes_back_from_json(record):
    values = json.loads(json.dumps(record.to_dict()))
    again = type(record).from_dict(values)
    assert again == record


def test_a_verdict_comes_back_as_one():
    assert (
        ScanRecord.from_dict(SCAN.to_dict() | {"verdict": "trojaned"}).verdict is Verdict.TROJANED
    )


@pytest.mark.parametrize("record", [SCAN, TRIGGER], ids=["scan", "trigger"])
def test_an_unknown_field_is_named_and_refused(record):
    values = record.to_dict() | {"colour": "red"}
    kind = type(record).__name__
    with pytest.raises(ValueError, match=rf"{kind} has no field 'colour'; it has: \[.*'\w+'\]"):
        type(record).from_dict(values)


def test_a_missing_field_is_refused():
    values = TRIGGER.to_dict()
    del values["asr"]
    with pytest.raises(TypeError, match="asr"):
        TriggerRecord.from_dict(values)


def test_an_unknown_verdict_is_refused():
    with pytest.raises(ValueError, match="'maybe' is not a valid Verdict"):
        ScanRecord.from_dict(SCAN.to_dict() | {"verdict": "maybe"})


def test_former_keys_of_a_file_report_take_their_present_names():
    look = {"form": "zip", "the look ends": "too large"}
    again = ScanRecord.from_dict(SCAN.to_dict() | {"look": look})
    assert again.look == {"form": "zip", "file_report_error": "too large"}
