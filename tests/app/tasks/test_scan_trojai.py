"""A TrojAI round through the command line: filters, shards, a hostile model among the others."""

import json
import os
import pickle

import pytest

pytestmark = pytest.mark.usefixtures("one_thread")


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def words(trojai_round, tmp_path):
    return (
        "trainer=cpu",
        "scanner=abs",
        "judge=none",
        "dataset=trojai_r2",
        f"dataset.root={trojai_round}",
        "scanner.engine.rounds=[{steps: 2, images_per_victim: 2, min_score: 0.0, keep: 1}]",
        "scanner.engine.stimulation.targets_per_victim=1",
        "scanner.engine.stimulation.layer='1'",
        f"paths.results={tmp_path / 'results'}",
        "name=run",
    )


def test_a_hostile_model_fails_in_one_line_and_the_others_are_scanned(
    command, words, trojai_round, tmp_path
):
    canary = tmp_path / "canary"
    (trojai_round / "id-00000001" / "model.pt").write_bytes(pickle.dumps(Canary(canary)))
    ran = command(*words)
    assert ran.status == 1
    lines = [line.split("\t") for line in ran.out.splitlines()]
    assert [line[0] for line in lines] == ["id-00000000", "id-00000001", "id-00000002"]
    assert [line[1] == "failed" for line in lines] == [False, True, False]
    assert "would run code when loaded (posix.system)" in ran.err
    assert "Traceback" not in ran.err
    assert not canary.exists()
    record = json.loads((tmp_path / "results" / "run" / "id-00000000" / "record.json").read_text())
    assert record["is_trojaned"] is True
    assert "rebuilt from a list of known layers" in record["warnings"][0]
    assert record["look"]["form"] == "zip archive of torch.save"
    assert "torch.nn.modules.linear.Linear" in record["look"]["names of layers"]
    refused = json.loads((tmp_path / "results" / "run" / "id-00000001" / "record.json").read_text())
    assert refused["look"]["names that are not on the list"] == "posix.system"
    report = (tmp_path / "results" / "run" / "report.html").read_text()
    assert "names that are not on the list</dt><dd>posix.system" in report


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (("dataset.where.trigger_type=polygon",), ["id-00000000"]),
        (("dataset.where.poisoned=False", "shard=1/2"), ["id-00000002"]),
        (("+dataset.where.triggered_classes=0", "limit=1"), ["id-00000000"]),
    ],
)
def test_filters_shards_and_limits_choose_models(command, words, extra, expected):
    ran = command(*words, *extra)
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == expected


def test_a_filter_that_nothing_passes_is_a_mistake(command, words):
    mistake = command(*words, "dataset.where.trigger_type=sticker").mistake()
    assert "dataset.where.trigger_type=sticker leaves no model" in mistake


def test_a_round_is_searched_for_every_kind_by_default(command, trojai_round, tmp_path):
    words = (
        "trainer=cpu",
        "dataset=trojai_r2",
        f"dataset.root={trojai_round}",
        "limit=1",
        "layer.name='1'",
    )
    ran = command(*words, "debug=fast", f"paths.results={tmp_path / 'results'}", "name=run")
    assert ran.status == 0
    (path,) = (tmp_path / "results" / "run").glob("id-*/record.json")
    record = json.loads(path.read_text())
    assert (record["scanner"], record["judge"]) == ("portfolio", "exray_calibrated")
    assert len(record["searches"]) == 9
