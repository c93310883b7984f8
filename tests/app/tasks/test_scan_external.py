"""``scanner=external scanner.triggers=FILE``, the contract's spelling, to the end."""

import json

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("one_thread")
WHITE = {"name": "white", "kind": "patch", "victim_class": 0, "target_class": 1}


@pytest.fixture
def words(stranger):
    """Words of a scan of the stranger's model, without those that are ABS's."""
    return [word for word in stranger if not word.startswith("scanner")]


def written(folder, entries, colour=1.0):
    mask = np.zeros((16, 16))
    mask[2:8, 3:9] = 1
    arrays = {}
    for entry in entries:
        arrays[f"{entry['name']}/mask"] = mask
        arrays[f"{entry['name']}/pattern"] = np.full(3, colour)
    np.savez(folder / "found.npz", **arrays)
    (folder / "found.json").write_text(json.dumps({"triggers": entries}))
    return f"scanner.triggers={folder / 'found.npz'}"


def test_triggers_of_a_file_are_judged(command, words, tmp_path):
    nothing = WHITE | {"name": "nothing", "victim_class": 2, "target_class": 0}
    file = written(tmp_path, [WHITE, nothing])
    ran = command(*words, "scanner=external", file)
    assert ran.status == 0
    fields = ran.out.rstrip("\n").split("\t")
    assert (fields[0], fields[3]) == ("model", "2")
    place = tmp_path / "results" / "model" / "model"
    record = json.loads((place / "record.json").read_text())
    assert record["scanner"] == "external"
    assert record["scanner_flags"] is True
    rows = [json.loads(line) for line in (place / "triggers.jsonl").read_text().splitlines()]
    assert [row["source"] for row in rows] == ["external/white", "external/nothing"]
    assert "no trigger at all" in rows[1]["reason"]


def test_stamped_pairs_of_every_image_are_judged_on_these_pairs(command, words, tmp_path):
    files = sorted((tmp_path / "images" / "0").iterdir())
    clean = np.stack([np.asarray(Image.open(file)).transpose(2, 0, 1) for file in files])
    stamped = clean.copy()
    stamped[:, :, 2:8, 3:9] = 255
    entry = json.dumps({"triggers": [WHITE | {"kind": "pairs"}]})
    for name, num_images in (("all", len(clean)), ("some", len(clean) - 1)):
        arrays = {"white/clean": clean[:num_images], "white/stamped": stamped[:num_images]}
        np.savez(tmp_path / f"{name}.npz", triggers=entry, **arrays)
    file = f"scanner.triggers={tmp_path / 'all.npz'}"
    ran = command(*words, "scanner=external", file)
    assert ran.status == 0
    place = tmp_path / "results" / "model" / "model" / "triggers.jsonl"
    (row,) = [json.loads(line) for line in place.read_text().splitlines()]
    assert (row["asr"], row["size_pixels"]) == (1.0, 36.0)
    assert row["measurements"]["flipped"] == 1
    ran = command(*words, "scanner=external", file.replace("all.npz", "some.npz"), "name=some")
    assert ran.status == 1
    assert "it has a pair for 5 of the 6 images of class 0" in ran.err


def test_a_changed_file_is_another_run(command, words, tmp_path):
    file = written(tmp_path, [WHITE])
    assert command(*words, "scanner=external", file).status == 0
    written(tmp_path, [WHITE], colour=0.0)
    said = command(*words, "scanner=external", file).mistake()
    assert "another" in said
    ran = command(*words, "scanner=external", file, "name=second")
    assert ran.out.split("\t")[1] == "natural-only"


def test_mistakes_are_one_line(command, words, tmp_path):
    assert command(*words, "scanner=external").mistake() == "scanner.triggers must be given"
    said = command(*words, "scanner=external", "scanner.triggers=nowhere.npz").mistake()
    assert said.startswith("nowhere.npz does not exist")
    said = command(*words, "scanner=external", written(tmp_path, [WHITE | {"kind": "x"}])).mistake()
    assert "found.npz: trigger 'white': kind must be one of patch, " in said
    assert said.endswith("; got 'x'")


def test_a_class_that_the_classifier_lacks_is_a_failed_record(command, words, tmp_path):
    ran = command(*words, "scanner=external", written(tmp_path, [WHITE | {"target_class": 9}]))
    assert ran.status == 1
    assert "found.npz: trigger 'white': target_class 9 does not exist" in ran.err
