import json
import os
import sys
import time

import pytest

from exray.reports.loggers.base import RunLogger
from exray.reports.loggers.wandb import WandbLogger
from exray.results.collection import collect

LEVELDB_BLOCK = 32768


def replay(logger: RunLogger, store, collection):
    for scan in collect(store).scans:
        logger.log_model(scan)
    logger.finish(collection)


def offline_records(path):
    """The records of an offline run: a 7-byte header, then LevelDB's log format.

    A last one that is not wholly written yet ends them.
    """
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record

    data, position, parts = path.read_bytes(), 7, []
    assert data[:4] == b":W&B"
    while position + 7 <= len(data):
        left = LEVELDB_BLOCK - position % LEVELDB_BLOCK
        if left < 7:
            position += left
            continue
        length = int.from_bytes(data[position + 4 : position + 6], "little")
        kind = data[position + 6]  # 1 full, 2 first, 3 middle, 4 last
        parts.append(data[position + 7 : position + 7 + length])
        position += 7 + length
        if kind in (1, 4):
            record = Record()
            try:
                record.ParseFromString(b"".join(parts))
            except DecodeError:
                return
            parts = []
            yield record


def fields(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def wandb_run(tmp_path, store, collection):
    logger = WandbLogger(
        tmp_path / "logs",
        "exray",
        "night",
        group="g",
        config={"scanner": {"steps": 60}},
        tags=["t"],
        job_type="exray",
        key="cell",
    )
    assert os.environ["WANDB_DIR"] == str(tmp_path / "logs")
    replay(logger, store, collection)
    (path,) = (tmp_path / "logs" / "wandb").glob("offline-run-*/run-*.wandb")
    for _ in range(100):  # wandb's own process may write the end a moment after finish()
        records = list(offline_records(path))
        if records and records[-1].WhichOneof("record_type") == "exit":
            return path, records
        time.sleep(0.1)
    raise AssertionError(f"{path} has no end")


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def test_without_wandb_the_logger_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"needs wandb, .*: pip install 'exray\[wandb\]'"):
        WandbLogger(tmp_path, "exray", "night")
    assert "WANDB_DIR" not in os.environ


@pytest.mark.usefixtures("no_network")
def test_an_offline_wandb_run_can_be_read_back(tmp_path, store, monkeypatch):
    monkeypatch.delenv("WANDB_DIR", raising=False)
    path, records = wandb_run(tmp_path, store, collect(store))
    (run,) = (record.run for record in records if record.WhichOneof("record_type") == "run")
    assert (run.project, run.display_name, run.run_group, list(run.tags)) == (
        "exray",
        "night",
        "g",
        ["t"],
    )
    assert fields(run.config.update)["scanner.steps"] == 60
    steps = [fields(record.history.item) for record in records if record.HasField("history")]
    by_model = {step["model_id"]: step for step in steps if "model_id" in step}
    assert by_model["id-0"]["verdict"] == "trojaned"
    assert by_model["id-0"]["seconds/total"] == 10.0
    assert by_model["id-0"]["strongest/similarity"] == 0.3
    assert "probability" not in by_model["id-1"]
    assert "WANDB_DIR" not in os.environ
    assert run.job_type == "exray"
    (table,) = path.parent.glob("files/media/table/triggers_*.json")
    content = json.loads(table.read_text())
    assert len(content["data"]) == 2
    assert {"victim_image", "stamped_image", "target_image", "mask_victim_target"} <= set(
        content["columns"]
    )
    staged = list((tmp_path / "logs" / "wandb" / ".home" / "data").rglob("tmp*"))
    assert len(staged) >= 2 * 6


@pytest.mark.usefixtures("no_network")
def test_cells_are_compared_by_figures_of_the_same_names(tmp_path, store):
    collection = collect(store)
    path, records = wandb_run(tmp_path, store, collection)
    summary = {}
    for record in records:
        if record.WhichOneof("record_type") == "summary":
            summary |= fields(record.summary.update)
    assert (summary["judge/TP"], summary["judge/TP/low"], summary["scanner/FP"]) == (1.0, 1.0, 0.0)
    assert "1 failed (id-1)" in summary["caption"]
    assert "judge/ROC-AUC" not in summary  # one model of known truth has none
    (table,) = path.parent.glob("files/media/table/models_*.json")
    rows = json.loads(table.read_text())
    assert rows["columns"][:4] == ["model_id", "status", "verdict", "is_trojaned"]
    assert [row[:4] for row in rows["data"]] == [
        ["id-0", "done", "trojaned", True],
        ["id-1", "failed", "failed", None],
    ]
    ids = {record.run.run_id for record in records if record.WhichOneof("record_type") == "run"}
    again, _ = wandb_run(tmp_path / "again", store, collection)
    assert ids == {again.stem.removeprefix("run-")} == {path.stem.removeprefix("run-")}


@pytest.mark.usefixtures("no_network")
def test_scanner_alone_and_judge_are_bars_of_one_chart(tmp_path, store):
    path, records = wandb_run(tmp_path, store, collect(store))
    config = {}
    for record in records:
        if record.WhichOneof("record_type") == "config":
            config |= fields(record.config.update)
    chart = config["_wandb/visualize/scanner_against_judges"]["panel_config"]
    assert chart["panelDefId"] == "wandb/bar/v0"
    assert chart["fieldSettings"] == {"label": "way", "value": "balanced accuracy"}
    assert chart["stringSettings"] == {"title": "Scanner alone against judges"}
    (table,) = path.parent.glob("files/media/table/scanner_against_judges_table_*.json")
    rows = json.loads(table.read_text())
    assert rows["columns"][:3] == ["way", "TP", "FP"]
    assert [row[0] for row in rows["data"]] == ["scanner", "judge"]


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("ending", "code"), [("failed", 1), ("broken off", 1), ("whole", 0)])
def test_a_wandb_run_ends_as_the_job_did(tmp_path, store, ending, code):
    if ending == "whole":
        (store.root / "id-1" / "record.json").unlink()
    _, records = wandb_run(tmp_path, store, None if ending == "broken off" else collect(store))
    (left,) = (record.exit for record in records if record.WhichOneof("record_type") == "exit")
    assert left.exit_code == code


def test_an_unknown_wandb_mode_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="mode must be one of offline, online, disabled; got 'ofline'"
    ):
        WandbLogger(tmp_path, "exray", "night", mode="ofline")
