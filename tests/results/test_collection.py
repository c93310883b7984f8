import io
import math

import pandas as pd
import pytest

from exray.evaluation.predictions import with_judge
from exray.results.collection import collect, merged, trigger_frame, write_tables
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord, TriggerRecord
from exray.results.store import ResultStore
from exray.rules.verdict import Verdict

CONTRACT = (
    "model_id judge scanner layer is_trojaned verdict probability num_triggers num_injected seconds"
)


def trigger(index, **measurements):
    return TriggerRecord(
        index=index,
        victim_class=0,
        target_class=1,
        victim_name="stop",
        target_name="yield",
        source="abs",
        asr=0.9,
        target_probability=0.8,
        size_pixels=12.0,
        is_injected=index == 0,
        score=0.1,
        reason="",
        measurements=measurements,
        thresholds={"similarity": 0.8},
    )


@pytest.fixture
def store(tmp_path):
    store = ResultStore(tmp_path)
    done = ScanRecord(
        model_id="b",
        run_id="r",
        status="done",
        verdict=Verdict.TROJANED,
        probability=0.9,
        scanner_flags=True,
        is_trojaned=True,
        seconds={"inversion": 3.0, "total": 5.0},
    )
    failed = ScanRecord(
        model_id="a",
        run_id="r",
        status="failed",
        verdict=Verdict.FAILED,
        probability=math.nan,
        error_line="ValueError: no",
    )
    store.write(ModelScan(record=done, triggers=(trigger(0, similarity=0.5), trigger(1, norm=3.0))))
    store.write(ModelScan(record=failed))
    return store


def test_every_record_is_a_row_and_gaps_are_listed(store):
    collection = collect(store, ["a", "b", "c"])
    assert collection.frame["model_id"].tolist() == ["a", "b"]
    assert collection.expected == ("a", "b", "c")
    assert collection.recorded == ("a", "b")
    assert collection.failed == ("a",)
    assert collection.missing == ("c",)
    assert collection.caption == "2 of 3 models recorded, 1 failed (a), 1 missing (c)."


def test_without_expectations_nothing_is_missing(store):
    collection = collect(store, None)
    assert collection.expected == ("a", "b")
    assert collection.missing == ()


def test_records_beyond_the_expected_are_kept_and_said(store):
    collection = collect(store, ["b"])
    assert len(collection.frame) == 2
    assert collection.caption.startswith(
        "1 of 1 model recorded, 1 failed (a), 1 more in the folder"
    )


def test_a_complete_collection_says_so(store):
    (store.root / "a" / "record.json").unlink()
    assert collect(store, ["b"]).caption == "1 of 1 model recorded, none failed."


def test_the_frame_has_the_contracts_columns_first(store):
    frame = collect(store, None).frame
    assert frame.columns.tolist()[:10] == CONTRACT.split()
    row = frame.set_index("model_id").loc["b"]
    assert (row["verdict"], row["seconds"], row["inversion_seconds"]) == ("trojaned", 5.0, 3.0)
    assert math.isnan(row["judgement_seconds"])
    assert frame["is_trojaned"].isna().tolist() == [True, False]


def test_an_empty_store_gives_the_same_columns_and_types(store, tmp_path):
    empty = collect(ResultStore(tmp_path / "none"), None)
    full = collect(store, None)
    assert empty.frame.dtypes.to_dict() == full.frame.dtypes.to_dict()
    assert empty.triggers.columns.tolist() == full.triggers.columns.tolist()[:14]


def test_metrics_survive_the_way_through_csv(store):
    frame = collect(store, None).frame
    back = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert with_judge(back).counts == with_judge(frame).counts


def test_every_trigger_is_a_row_with_its_measurements(store):
    frame = trigger_frame(store)
    assert frame["model_id"].tolist() == ["b", "b"]
    assert frame["m_similarity"].iloc[0] == 0.5
    assert frame["m_norm"].isna().tolist() == [True, False]
    assert frame["t_similarity"].tolist() == [0.8, 0.8]
    assert frame["is_injected"].tolist() == [True, False]
    pd.testing.assert_frame_equal(frame, collect(store, None).triggers)


def test_tables_hold_every_record_and_trigger(tmp_path, store):
    write_tables(collect(store), tmp_path / "tables")
    records = pd.read_csv(tmp_path / "tables" / "records.csv")
    assert set(CONTRACT.split()) <= set(records.columns)
    assert records["model_id"].tolist() == ["a", "b"]
    assert records["verdict"].tolist() == ["failed", "trojaned"]
    triggers = pd.read_csv(tmp_path / "tables" / "triggers.csv")
    assert triggers["m_similarity"].tolist()[:1] == [0.5]
    written = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert written == ["records.csv", "triggers.csv"]


def test_the_models_of_several_runs_are_told_apart_by_their_runs_names(store):
    own = collect(store)
    assert merged({"a": own}) is own
    both = merged({"a": own, "b": own})
    names = [f"{run}/{model_id}" for run in "ab" for model_id in own.recorded]
    assert list(both.recorded) == names
    assert both.frame["model_id"].tolist() == names
    assert len(both.triggers) == 2 * len(own.triggers)
    assert set(both.triggers["model_id"]) <= set(names)
    assert both.missing == ()
