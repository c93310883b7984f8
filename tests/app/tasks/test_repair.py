"""The task that repairs: a planted backdoor goes, files are new, refusals are said."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from exray.repair.output import provenance_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def words(stranger, white_patch, tmp_path):
    """Words of a quick repair of a planted backdoor whose trigger is known."""
    entry = {"name": "square", "kind": "patch", "victim_class": 0, "target_class": 1}
    arrays = {
        "square/mask": white_patch.trigger.mask.numpy(),
        "square/pattern": white_patch.trigger.pattern.numpy(),
    }
    np.savez(tmp_path / "found.npz", triggers=json.dumps({"triggers": [entry]}), **arrays)
    others = ("scanner", "trainer")
    return (
        *(word for word in stranger if not word.startswith(others)),
        "task=repair",
        "trainer=cpu",
        "scanner=external",
        f"scanner.triggers={tmp_path / 'found.npz'}",
        "judge=exray",
        "judge.engine.mask.epochs=60",
        "repair.settings.min_images_per_class=4",
        "repair.settings.held_out_share=0.5",
        "repair.method.fine_tuning.learning_rate=0.2",
        "repair.method.fine_tuning.batch_size=6",
        "repair.method.fine_tuning.epochs=20",
    )


def record_of(tmp_path):
    return json.loads((tmp_path / "results/model_repair/model/repair.json").read_text())


def test_a_planted_backdoor_is_repaired_into_a_new_file(command, words, tmp_path):
    before = (tmp_path / "model.pt").read_bytes()
    output = tmp_path / "new.safetensors"
    ran = command(*words, f"repair.output={output}")
    assert ran.status == 0, ran.err
    fields = ran.out.rstrip("\n").split("\t")
    assert fields[:2] == ["model", "repaired"]
    assert (fields[4], fields[6]) == ("trojaned", str(output))
    assert fields[5] in ("clean", "natural-only")
    assert (tmp_path / "model.pt").read_bytes() == before
    old = torch.load(tmp_path / "model.pt", weights_only=True)
    new = load_file(output)
    assert new.keys() == old.keys()
    assert not torch.equal(new["linear.weight"], old["linear.weight"])
    record = record_of(tmp_path)
    (trigger,) = record["unlearned"]
    assert (trigger["asr_before"], trigger["asr_after"]) == (1, 0)
    told = provenance_of(output)
    assert (told["from_file"], told["name"], told["forced"]) == ("model.pt", "unlearning", False)
    assert len(told["from_sha256"]) == 64
    table = pd.read_csv(tmp_path / "results/model_repair/repairs.csv")
    assert table["status"].tolist() == ["repaired"]
    assert "Unlearned triggers" in ran.err


def test_what_is_still_trojaned_is_refused_unless_forced(command, words, tmp_path):
    idle = ("repair.settings.rounds=1", "repair.method.fine_tuning.learning_rate=1e-6")
    ran = command(*words, *idle)
    assert ran.status == 1, ran.err
    assert ran.out.split("\t")[1] == "refused"
    assert "the scan still says trojaned" in ran.err
    assert "repair.force=true" in ran.err
    assert not list(tmp_path.rglob("repaired.safetensors"))
    ran = command(*words, *idle, "repair.force=true")
    assert ran.status == 0, ran.err
    assert ran.out.split("\t")[1] == "forced"
    (path,) = tmp_path.rglob("repaired.safetensors")
    assert provenance_of(path)["forced"] is True
    assert provenance_of(path)["obstacles"]
    again = command(*words, *idle)  # the finished record stays
    assert again.out == ran.out


def test_a_clean_model_has_nothing_to_unlearn_and_nothing_is_written(
    command, words, clean_twin, tmp_path
):
    torch.save(clean_twin.network.state_dict(), tmp_path / "model.pt")
    ran = command(*words)
    assert (ran.status, ran.out.split("\t")[1]) == (0, "nothing")
    assert "nothing to unlearn, nothing written" in ran.err
    assert not list(tmp_path.rglob("repaired.safetensors"))


def test_too_few_images_fail_in_one_line(command, words, tmp_path):
    ran = command(*words, "repair.settings.min_images_per_class=7")
    assert (ran.status, ran.out.split("\t")[1]) == (1, "failed")
    (reason,) = record_of(tmp_path)["reasons"]
    assert reason.startswith("a repair needs 7 different images of every class")
    assert reason in ran.err


def test_an_output_that_exists_is_refused_before_anything_is_scanned(command, words, tmp_path):
    there = tmp_path / "there.safetensors"
    there.write_bytes(b"mine")
    said = command(*words, f"repair.output={there}").mistake()
    assert said == f"repair.output must be a new file, and {there} exists; name another"
    assert there.read_bytes() == b"mine"
    assert not (tmp_path / "results").exists()


def test_one_file_cannot_take_the_weights_of_several_models(command, quick, tmp_path):
    said = command(*quick, "task=repair", f"repair.output={tmp_path / 'a.safetensors'}").mistake()
    assert said.startswith("repair.output is a file for one classifier, and there are 4; leave it")


def test_a_zoos_repair_is_measured_by_its_true_triggers(command, quick, tmp_path):
    ran = command(
        *(word for word in quick if not word.startswith(("judge.", "name="))),
        "task=repair",
        "repair.settings.min_images_per_class=4",
        "scan.min_images_per_class=1",
        "judge=none",
        "kinds=[polygon]",
        "limit=2",
        "name=zoo_repair",
        "repair.settings.rounds=1",
        "repair.settings.max_accuracy_drop=1",
        "repair.method.fine_tuning.epochs=1",
    )
    table = pd.read_csv(tmp_path / "results/zoo_repair/repairs.csv")
    assert len(table) == 2
    assert ran.status in (0, 1)
    done = table[table["status"].isin(["refused", "repaired"])]
    assert len(done), table["status"]
    assert done["true_accuracy_after"].between(0, 1).all()
    trojaned = done[done["is_trojaned"]]
    assert trojaned["true_asr_before"].notna().all()
    assert trojaned["true_asr_after"].notna().all()
