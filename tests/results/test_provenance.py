"""The origin of a record survives the disk, and old records have none."""

import json

import pytest

from exray.errors import RecordError
from exray.results.model_scan import ModelScan
from exray.results.provenance import Provenance
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict

ORIGIN = Provenance(
    date="2026-01-31T12:00:00+00:00",
    exray="0.1.0",
    images_per_class={"stop": 3},
    preprocessing={"scaling": "unit"},
    calibration={"num_models": 119, "false_positive_rate": 0.5},
)


@pytest.fixture
def store(tmp_path):
    record = ScanRecord(
        model_id="m",
        run_id="r",
        status="done",
        verdict=Verdict.CLEAN,
        probability=0.1,
        provenance=ORIGIN,
    )
    store = ResultStore(tmp_path)
    store.write(ModelScan(record=record))
    return store


def changed(store, **values):
    path = store.root / "m" / "record.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | values))


def test_the_origin_is_read_as_it_was_written(store):
    assert store.read("m").record.provenance == ORIGIN


def test_a_record_from_before_there_was_an_origin_is_read(store):
    path = store.root / "m" / "record.json"
    stored = json.loads(path.read_text())
    del stored["provenance"]
    path.write_text(json.dumps(stored))
    assert store.read("m").record.provenance == Provenance()


def test_an_unknown_field_is_a_broken_record(store):
    changed(store, provenance={"colour": "red"})
    with pytest.raises(RecordError, match="Provenance has no field 'colour'"):
        store.read("m")
