"""The main job on a small zoo: what it writes, skips, refuses and tries again."""

import csv
import json
import shutil

import pytest
import torch

from exray.results.store import ResultStore

pytestmark = pytest.mark.usefixtures("one_thread")

VERDICTS = {"clean", "natural-only", "trojaned", "inconclusive", "failed"}
IDS = [f"id-{index:08d}" for index in range(4)]


def fields(ran):
    return [line.split("\t") for line in ran.out.splitlines()]


def written(root):
    """The records' files with the times of their last change."""
    return {path: path.stat().st_mtime_ns for path in root.glob("id-*/*")}


def test_a_scan_leaves_records_tables_a_report_and_a_line_for_each_model(scanned):
    ran, results = scanned
    assert ran.status == 0, ran.err
    lines = fields(ran)
    assert [line[0] for line in lines] == IDS[:2]
    assert all(len(line) == 5 and line[1] in VERDICTS for line in lines)
    assert all(0 <= float(line[2]) <= 1 for line in lines)
    assert all(0 <= int(line[4]) <= int(line[3]) for line in lines)
    assert any(int(line[3]) > 0 for line in lines)

    summary = json.loads((results / "summary.json").read_text())
    for model, line in zip(summary["models"], lines, strict=True):
        printed = [model["model_id"], model["verdict"], f"{model['probability']:.4f}"]
        assert [*printed, str(model["num_triggers"]), str(model["num_injected"])] == line
    assert summary["counts"]["total"] == 2

    rows = list(csv.DictReader((results / "records.csv").read_text().splitlines()))
    needed = "model_id judge scanner layer is_trojaned verdict probability num_triggers"
    assert {*needed.split(), "num_injected", "seconds"} <= set(rows[0])
    assert [row["verdict"] for row in rows] == [line[1] for line in lines]
    assert [row["is_trojaned"] for row in rows] == ["False", "True"]
    assert {(r["judge"], r["scanner"], r["layer"]) for r in rows} == {("exray", "abs", "middle")}
    assert "<html" in (results / "report.html").read_text().lower()
    assert "Traceback" not in ran.err
    for model_id in IDS[:2]:
        assert {path.name for path in (results / model_id).iterdir()} == {
            "record.json",
            "triggers.jsonl",
            "tensors.safetensors",
        }


def test_the_same_command_again_scans_nothing_and_says_the_same(command, quick, results, before):
    there = written(results)
    again = command(*quick, "limit=2")
    assert again.status == 0
    assert again.out == before.out
    assert written(results) == there
    assert "id-00000000: already scanned" in again.err


@pytest.mark.usefixtures("before")
def test_another_configuration_is_refused_and_nothing_overwritten(command, quick, results):
    there = written(results)
    said = command(*quick, "limit=1", "judge.engine.mask.objective.alpha=0.2").mistake()
    assert "judge.engine.mask.objective.alpha: 0.1 there, 0.2 now" in said
    assert "choose another name=..." in said
    assert written(results) == there


def test_what_changes_no_result_does_not_make_another_run(command, quick, results, before):
    there = written(results)
    (results / "records.csv").unlink()
    ran = command(*quick, "limit=2", "logger=csv", "trainer.workers=1")
    assert ran.status == 0
    assert ran.out == before.out
    assert written(results) == there
    assert (results / "records.csv").is_file()


def test_shards_partition_the_models_and_the_limit_counts_within_them(command, quick, results):
    words = (*quick, "scanner.engine.stimulation.layer=layer9")  # a failure is a record, and quick
    assert [line[0] for line in fields(command(*words, "shard=1/2", "limit=1"))] == IDS[1:2]
    assert ResultStore(results).model_ids() == IDS[1:2]
    assert [line[0] for line in fields(command(*words, "shard=1/2"))] == IDS[1::2]
    assert ResultStore(results).model_ids() == IDS[1::2]
    assert [line[0] for line in fields(command(*words, "shard=0/2"))] == IDS[0::2]
    assert ResultStore(results).model_ids() == IDS


def test_a_failed_model_stops_no_other_and_is_tried_again(command, quick, results, zoo, tmp_path):
    copy = tmp_path / "zoo"
    shutil.copytree(zoo, copy)
    weights = copy / IDS[0] / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    words = (*quick, f"dataset.root={copy}", "limit=2")
    ran = command(*words)
    assert ran.status == 1
    assert [line[1] == "failed" for line in fields(ran)] == [True, False]
    assert "Traceback" not in ran.err
    record = ResultStore(results).read(IDS[0]).record
    assert "truncated or damaged safetensors file" in record.error_line
    assert "\n" not in record.error_line
    assert "Traceback" in record.error
    assert record.is_trojaned is None

    done = written(results / IDS[1])
    weights.write_bytes(whole)
    again = command(*words)
    assert again.status == 0
    assert fields(again)[0][1] != "failed"
    assert fields(again)[1] == fields(ran)[1]
    assert written(results / IDS[1]) == done


def test_weights_that_are_not_the_manifests_fail_by_name(command, quick, results, zoo, tmp_path):
    copy = tmp_path / "zoo"
    shutil.copytree(zoo, copy)
    shutil.copy(copy / IDS[1] / "model.safetensors", copy / IDS[0] / "model.safetensors")
    ran = command(*quick, f"dataset.root={copy}", "limit=1")
    assert ran.status == 1
    assert "its SHA-256 differs" in ResultStore(results).read(IDS[0]).record.error_line


def test_a_layer_that_is_not_there_fails_the_model_with_those_it_has(command, quick, results):
    ran = command(*quick, "limit=1", "scanner.engine.stimulation.layer=layer9")
    assert ran.status == 1
    assert "Traceback" not in ran.err
    line = ResultStore(results).read(IDS[0]).record.error_line
    assert line.startswith("layer 'layer9' is not in plain_cnn; it has: ")


def test_a_scan_computes_on_as_many_threads_as_it_is_told(command, quick):
    words = (*quick, "limit=1", "scanner.engine.stimulation.layer=layer9")  # fails at once
    assert torch.get_num_threads() == 1
    command(*words, "trainer.threads=2")
    assert torch.get_num_threads() == 2


def test_a_sweep_gives_each_cell_its_own_records(command, quick, results):
    words = [word for word in quick if "judge" not in word]
    few = "scanner.engine.patch.max_size_share=0.001"  # no triggers, so no masks
    ran = command("-m", *words, "limit=1", "judge=none,exray", few)
    assert ran.status == 0, ran.err
    assert [line[0] for line in fields(ran)] == [IDS[0]] * 2
    cells = {path.name for path in results.iterdir()}
    assert cells == {"judge=none", "judge=exray"}
    for cell in cells:
        record = ResultStore(results / cell).read(IDS[0]).record
        assert f"judge={record.judge}" == cell
        assert (results / cell / "records.csv").is_file()


def test_a_failing_cell_of_a_sweep_stops_no_other_and_shows_no_traceback(command, quick):
    ran = command("-m", *quick, "limit=1", "scanner.engine.stimulation.layer=layer9,last_conv")
    assert ran.status == 1
    assert [line[1] == "failed" for line in fields(ran)] == [True, False], ran.err
    assert "Traceback" not in ran.err
    assert "HYDRA" not in ran.err


@pytest.mark.usefixtures("before")  # what is stored is logged as what is scanned
def test_a_run_is_logged_to_wandb_offline(command, quick, results):
    (results / "records.csv").unlink()
    ran = command(*quick, "limit=1", "logger=wandb")
    assert ran.status == 0, ran.err
    assert list((results / "wandb").glob("offline-run-*/run-*.wandb"))
    assert (results / "records.csv").is_file()


def test_scanning_again_from_scratch_gives_the_same_numbers(command, quick, scanned):
    torch.rand(3)
    again = command(*quick, "limit=1")
    assert again.out == scanned[0].out.splitlines(keepends=True)[0]


@pytest.mark.usefixtures("one_thread")
def test_judges_of_one_sweep_share_the_inversion(command, stranger, tmp_path):
    words = [word for word in stranger if not word.startswith("judge.")]
    ran = command("-m", *words, "judge=none,l2")
    assert ran.status == 0, ran.err
    results = tmp_path / "results"
    assert len(list((results / "scans").iterdir())) == 1
    stores = [ResultStore(results / "model" / f"judge={name}") for name in ("none", "l2")]
    first, second = (store.read(store.model_ids()[0]).record for store in stores)
    assert "kept_inversion" not in first.seconds
    assert second.seconds["kept_inversion"] <= first.seconds["inversion"]
    assert (first.num_triggers, first.num_candidates) == (
        second.num_triggers, second.num_candidates,
    )  # fmt: skip
