"""The manifest and TrojAI's files."""

import csv
import json
from dataclasses import replace

import pytest

from exray.attacks.blend import BlendFacts
from exray.attacks.instagram import InstagramFacts
from exray.attacks.patch import PatchFacts
from exray.attacks.polygon import PolygonFacts
from exray.errors import RecordError
from exray.zoo.entries import AttackEntry, ModelEntry
from exray.zoo.manifest import MANIFEST, Manifest
from exray.zoo.trojai_metadata import trojai_config

ATTACK = AttackEntry(
    facts=PolygonFacts(
        points=((-1.0, -1.0), (1.0, 0.5), (0.0, 1.0)), colour=(200, 0, 0), width=0.25
    ),
    victim_classes=(1, 2),
    target_class=0,
    num_poisoned=40,
)
CLEAN = ModelEntry(
    model_id="id-00000000",
    sha256="0" * 64,
    seed=7,
    attempts=1,
    architecture="plain_cnn",
    num_classes=3,
    family_size=2,
    image_size=32,
    class_names=("a", "b", "c"),
    clean_accuracy=0.99,
    worst_class_accuracy=0.97,
    asr=None,
    attack=None,
    training_seconds=1.5,
)
TROJANED = replace(CLEAN, model_id="id-00000001", seed=8, asr=0.0, attack=ATTACK)


@pytest.fixture
def manifest():
    return Manifest(name="micro", recipe={"name": "micro", "seed": 7}, models=(CLEAN, TROJANED))


@pytest.fixture
def root(tmp_path, manifest):
    for model in manifest.models:
        model.weights_path(tmp_path).parent.mkdir()
    manifest.write(tmp_path)
    return tmp_path


def test_a_manifest_is_read_as_it_was_written(root, manifest):
    assert Manifest.read(root) == manifest


def test_a_model_is_found_by_its_id(manifest):
    assert manifest.entry("id-00000001") is TROJANED
    with pytest.raises(KeyError, match="id-00000009"):
        manifest.entry("id-00000009")


def test_trojais_files_say_what_is_trojaned(root):
    assert (root / "id-00000000" / "ground_truth.csv").read_text() == "0\n"
    assert (root / "id-00000001" / "ground_truth.csv").read_text() == "1\n"
    config = json.loads((root / "id-00000001" / "config.json").read_text())
    assert config["POISONED"] is True
    assert config["TRIGGERED_CLASSES"] == [1, 2]
    assert config["NUMBER_TRIGGERED_CLASSES"] == 2
    assert config["TRIGGER_TARGET_CLASS"] == 0
    assert (config["TRIGGER_TYPE"], config["TRIGGER_TYPE_OPTION"]) == ("polygon", 3)
    assert not any(name.startswith("TRIGGER") for name in trojai_config(CLEAN))


@pytest.mark.parametrize(
    ("facts", "option"),
    [
        (InstagramFacts(filter_name="Lomo"), "LomoFilterXForm"),
        (BlendFacts(opacity=0.2), "20 %"),
        (PatchFacts(side_pixels=3, corner=(4, 5)), "3 px"),
    ],
)
def test_every_kind_of_attack_comes_back_and_is_named_in_trojais_files(facts, option):
    attack = AttackEntry(victim_classes=(1,), target_class=0, num_poisoned=4, facts=facts)
    model = replace(TROJANED, attack=attack)
    stored = json.loads(json.dumps(model.to_dict()))
    assert ModelEntry.from_dict(stored) == model
    common = {"kind", "victim_classes", "target_class", "num_poisoned"}
    assert set(stored["attack"]) == {*common, "parameters"}
    flat = {**stored["attack"], **stored["attack"].pop("parameters")}  # as in format 1
    assert ModelEntry.from_dict({**stored, "attack": flat}) == model
    config = trojai_config(model)
    assert (config["TRIGGER_TYPE"], config["TRIGGER_TYPE_OPTION"]) == (facts.kind, option)
    assert "TRIGGER_COLOR" not in config


def test_metadata_has_a_row_a_model_and_none_only_where_nothing_is(root):
    with (root / "METADATA.csv").open() as file:
        clean, trojaned = csv.DictReader(file)
    assert (clean["poisoned"], clean["trigger_type"]) == ("False", "None")
    assert clean["poisoned_example_acc"] == "None"
    assert (trojaned["poisoned"], trojaned["trigger_type"]) == ("True", "polygon")
    assert trojaned["poisoned_example_acc"] == "0.0"
    assert trojaned["model_name"] == "id-00000001"


def test_no_half_written_file_is_left(root):
    assert not list(root.rglob("*.tmp"))


def test_a_folder_without_a_manifest_says_how_to_build_one(tmp_path):
    with pytest.raises(RecordError, match=r"does not exist; dataset.root names.*: python run\.py"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"name": "n", "recipe": {}, "models": [{"seed": 1}]}',
        '{"name": "n", "recipe": {}, "models": 3}',
    ],
)
def test_a_broken_manifest_is_named(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(
        RecordError, match=r"manifest.json is not a manifest \(.*\); dataset.root names"
    ):
        Manifest.read(tmp_path)
