import json
import math
import os
import re
import time

import numpy as np
import pytest

from exray.errors import RecordError, StorageError
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord, TriggerRecord
from exray.results.store import ResultStore
from exray.results.stored_tensors import StoredTensors
from exray.rules.verdict import Verdict
from exray.storage.atomic_files import STALE_SECONDS


def record(model_id="m1", run_id="run-a", status="done", **values):
    verdict = Verdict.CLEAN if status == "done" else Verdict.FAILED
    defaults = {"verdict": verdict, "probability": 0.25, "seconds": {"total": 1.5}}
    return ScanRecord(model_id=model_id, run_id=run_id, status=status, **(defaults | values))


def trigger(index=0, **values):
    defaults = {
        "victim_class": 0,
        "target_class": 1,
        "victim_name": "stop",
        "target_name": "yield",
        "source": "abs",
        "asr": 0.9,
        "target_probability": 0.8,
        "size_pixels": 12.0,
        "is_injected": False,
        "score": 0.1,
        "reason": "similar",
    }
    return TriggerRecord(index=index, **(defaults | values))


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "results")


def test_what_is_written_is_read_back(store):
    scan = record(truth={"trigger": None, "is_trojaned": True}, warnings=["few images"])
    triggers = [trigger(0, measurements={"similarity": 0.5}), trigger(1, is_injected=True)]
    tensors = {"trigger_0/mask_victim_target": np.linspace(0, 1, 5, dtype=np.float32)}
    store.write(ModelScan(record=scan, triggers=tuple(triggers), tensors=tensors))
    stored = store.read("m1")
    assert stored.record == scan
    assert stored.triggers == tuple(triggers)
    back = store.tensors("m1")
    np.testing.assert_array_equal(
        *(mapping["trigger_0/mask_victim_target"] for mapping in (back, tensors))
    )


def test_a_strided_tensor_keeps_its_values(store):
    image = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    store.write(ModelScan(record=record(), tensors={"image": image.transpose(1, 2, 0)}))
    np.testing.assert_array_equal(store.tensors("m1")["image"], image.transpose(1, 2, 0))


def test_numbers_that_are_not_finite_are_null_on_disk_and_nan_when_read(store):
    measurements = {"similarity": math.nan, "ratio": math.inf, "own": 1.0}
    store.write(
        ModelScan(
            record=record(probability=math.nan, seconds={"total": math.nan}),
            triggers=(trigger(asr=math.nan, measurements=measurements),),
        )
    )
    for name in ("record.json", "triggers.jsonl"):
        text = (store.root / "m1" / name).read_text()
        assert "NaN" not in text
        assert "Infinity" not in text
    stored = store.read("m1")
    assert math.isnan(stored.record.probability)
    assert math.isnan(stored.record.seconds["total"])
    assert stored.record.clean_accuracy is None
    assert math.isnan(stored.triggers[0].asr)
    assert math.isnan(stored.triggers[0].measurements["ratio"])
    assert stored.triggers[0].measurements["own"] == 1.0


def test_a_finished_record_is_found_and_others_are_not(store):
    assert store.find("m1", "run-a") is None
    store.write(ModelScan(record=record(status="failed")))
    assert store.find("m1", "run-a") is None
    store.write(ModelScan(record=record()))
    assert store.find("m1", "run-a") == record()


def test_a_failed_record_is_replaced_and_leaves_nothing_behind(store):
    store.write(ModelScan(record=record(status="failed"), triggers=(trigger(),)))
    store.write(ModelScan(record=record()))
    assert store.read("m1").triggers == ()
    assert [path.name for path in store.root.iterdir()] == ["m1"]


@pytest.mark.parametrize("run_id", ["run-a", "run-b"])
def test_a_finished_record_is_never_overwritten(store, run_id):
    store.write(ModelScan(record=record()))
    with pytest.raises(RecordError, match=r"m1 holds a (finished record|record of run run-a)"):
        store.write(ModelScan(record=record(run_id=run_id, probability=0.9)))
    assert store.read("m1").record == record()


def test_a_failed_record_of_another_run_is_not_overwritten(store):
    store.write(ModelScan(record=record(status="failed")))
    with pytest.raises(RecordError, match="run-a, not run-b"):
        store.write(ModelScan(record=record(run_id="run-b")))


def test_a_record_of_another_run_is_an_error_on_resume(store):
    store.write(ModelScan(record=record()))
    with pytest.raises(RecordError, match=r"run run-a, not run-b; choose another name"):
        store.find("m1", "run-b")


def test_a_strangers_folder_in_the_place_is_not_touched(store):
    (store.root / "m1").mkdir(parents=True)
    (store.root / "m1" / "thesis.txt").write_text("mine")
    with pytest.raises(RecordError, match="is in the way and holds no record; move it elsewhere"):
        store.write(ModelScan(record=record()))
    assert (store.root / "m1" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "content", ['{"model_id": "m1", "stat', "[1]", '{"model_id": "m1"}', "NaN"]
)
def test_a_broken_record_is_an_error_that_names_the_file(store, content):
    store.write(ModelScan(record=record()))
    (store.root / "m1" / "record.json").write_text(content)
    for reads in (lambda: store.find("m1", "run-a"), lambda: store.read("m1")):
        with pytest.raises(RecordError, match=r"record\.json is broken .*scan the model again"):
            reads()


def test_records_with_former_keys_are_read(store):
    store.write(ModelScan(record=record(look={"form": "zip", "the look ends": "no"})))
    assert store.read("m1").record.look == {"form": "zip", "file_report_error": "no"}


def test_broken_triggers_and_tensors_are_errors_that_name_the_file(store):
    store.write(ModelScan(record=record(), triggers=(trigger(),)))
    (store.root / "m1" / "triggers.jsonl").write_text('{"index": 0}\n')
    (store.root / "m1" / "tensors.safetensors").write_bytes(b"\x00")
    with pytest.raises(RecordError, match=r"triggers\.jsonl is broken"):
        store.read("m1")
    with pytest.raises(RecordError, match=r"tensors\.safetensors is broken"):
        dict(StoredTensors(store.root / "m1" / "tensors.safetensors"))


def test_a_missing_record_says_what_to_do(store):
    with pytest.raises(RecordError, match="m2 holds no record; scan the model first"):
        store.read("m2")
    assert store.tensors("m2") == {}
    assert store.model_ids() == []


@pytest.mark.parametrize("model_id", ["", ".tmp-x", "..", "a/b", "a\\b", "c:d", "a\tb"])
def test_an_id_that_cannot_name_a_folder_is_refused(store, model_id):
    with pytest.raises(ValueError, match="model_id must name a folder"):
        store.write(ModelScan(record=record(model_id=model_id)))


def test_a_run_killed_while_writing_leaves_no_record(store, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    store.claim("run-a", {})
    monkeypatch.setattr("exray.results.store.sync_folder", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write(ModelScan(record=record(), triggers=(trigger(),)))
    assert store.model_ids() == []
    assert store.find("m1", "run-a") is None
    assert [path.name for path in store.root.iterdir()] == ["run.json"]


def test_leftovers_are_unseen_and_cleared_once_no_run_can_be_writing_them(store):
    store.write(ModelScan(record=record()))
    for name, age in (("old", 2 * STALE_SECONDS), ("young", 0)):
        leftover = store.root / f".tmp-{name}"
        leftover.mkdir()
        (leftover / "record.json").write_text('{"half')
        os.utime(leftover, (time.time() - age,) * 2)
    assert store.model_ids() == ["m1"]
    store.claim("run-a", {})
    left = sorted(path.name for path in store.root.iterdir())
    assert left == [".tmp-young", "m1", "run.json"]


def test_claiming_twice_with_one_configuration_is_fine(store):
    for _ in range(2):
        store.claim("run-a", {"scanner": {"steps": 60}, "seed": 0})
    assert store.config() == {"scanner.steps": 60, "seed": 0}
    assert json.loads((store.root / "run.json").read_text())["run_id"] == "run-a"


def test_claiming_with_another_configuration_names_the_differences(store):
    store.claim("run-a", {"scanner": {"steps": 60}, "judge": "exray", "old": 1})
    before = (store.root / "run.json").read_bytes()
    expected = (
        r"holds run run-a, not run-b: scanner\.steps: 60 there, 40 now, old: 1 there, absent now, "
        r"new: absent there, 2 now; choose another name=\.\.\., or remove the folder"
    )
    with pytest.raises(RecordError, match=expected):
        store.claim("run-b", {"scanner": {"steps": 40}, "judge": "exray", "new": 2})
    assert (store.root / "run.json").read_bytes() == before


def test_only_the_first_few_differences_are_named(store):
    store.claim("run-a", {str(key): 0 for key in range(9)})
    with pytest.raises(RecordError, match="3: 0 there, 1 now, and 5 more"):
        store.claim("run-b", {str(key): 1 for key in range(9)})


def test_equal_configurations_of_two_runs_say_that_the_code_differs(store):
    store.claim("run-a", {"seed": 0})
    with pytest.raises(RecordError, match="no key differs"):
        store.claim("run-b", {"seed": 0})


def test_a_broken_claim_names_the_file(store):
    store.claim("run-a", {})
    (store.root / "run.json").write_text("{}")
    with pytest.raises(RecordError, match=r"run\.json is broken"):
        store.claim("run-a", {})


def test_a_worker_of_another_version_is_refused_with_both(store, monkeypatch):
    store.claim("run-a", {"seed": 0})
    store.claim("run-a", {"seed": 0})
    here = json.loads((store.root / "run.json").read_text())["version"]
    monkeypatch.setattr("exray.results.store.own_version", lambda: "9.9")
    problem = rf"was begun by exray {re.escape(here)}, and this is exray 9\.9; go on with"
    with pytest.raises(RecordError, match=problem):
        store.claim("run-a", {"seed": 0})


def test_a_run_from_before_versions_were_noted_goes_on(store):
    store.claim("run-a", {"seed": 0})
    path = store.root / "run.json"
    values = json.loads(path.read_text())
    del values["version"]
    path.write_text(json.dumps(values))
    store.claim("run-a", {"seed": 0})


def test_a_disk_that_is_really_full_leaves_nothing_half_written(store):
    resource = pytest.importorskip("resource")
    values = np.zeros(100_000, dtype=np.float32)
    child = os.fork()
    if child == 0:  # the kernel refuses files above 64 KiB, as it does on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        try:
            store.write(ModelScan(record=record(), tensors={"trigger_0/x": values}))
        except StorageError as error:
            os._exit(0 if str(error).startswith(f"{store.root / 'm1'} cannot be written") else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.model_ids() == []
    assert not list(store.root.iterdir())
