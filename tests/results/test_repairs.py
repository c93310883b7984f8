"""Records of repairs: back as they were written, one per classifier, a row each."""

import pytest

from exray.errors import RecordError
from exray.results.repairs import (
    REPAIR_FILE,
    RepairRecord,
    RepairStore,
    RoundRecord,
    UnlearnedRecord,
    repair_frame,
)

STAGE = RoundRecord(
    accuracy=0.9, verdict="trojaned", probability=0.8, num_triggers=2, num_injected=1, strength=3.5
)


def record(model_id="m", status="repaired", sizes=(10.0, 60.0)):
    trigger = UnlearnedRecord(
        victim_class=0,
        target_class=1,
        victim_name="red",
        target_name="green",
        source="patch",
        asr_before=1.0,
        asr_after=0.0,
        size_before=sizes[0],
        size_after=sizes[1],
    )
    return RepairRecord(
        model_id=model_id,
        run_id="r",
        status=status,
        method="unlearning",
        before=STAGE,
        rounds=[STAGE],
        unlearned=[trigger, trigger],
    )


def test_a_record_comes_back_and_only_a_failed_one_is_repaired_again(tmp_path):
    store = RepairStore(tmp_path)
    store.write(record())
    store.write(record("other", "failed"))
    assert store.find("m") == record()
    assert store.find("other") is None
    assert store.find("none") is None
    assert [one.model_id for one in store.records()] == ["m", "other"]


def test_a_broken_record_is_named(tmp_path):
    store = RepairStore(tmp_path)
    store.write(record())
    path = store.place("m") / REPAIR_FILE
    path.write_text(path.read_text().replace('"rounds"', '"round"'))
    with pytest.raises(RecordError, match=r"m/repair.json is no record of a repair \(.*round"):
        store.records()


def test_a_row_has_both_stages_and_the_mean_size(tmp_path):
    del tmp_path
    (row,) = repair_frame([record()]).to_dict("records")
    assert (row["accuracy_before"], row["accuracy_after"]) == (0.9, None)
    assert (row["verdict_before"], row["strength_before"]) == ("trojaned", 3.5)
    assert (row["size_before"], row["size_after"]) == (10, 60)
    assert (row["num_unlearned"], row["num_rounds"]) == (2, 1)
    unmeasured = repair_frame([record(sizes=(None, None))]).to_dict("records")[0]
    assert unmeasured["size_before"] is None
