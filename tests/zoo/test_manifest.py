"""The manifest and TrojAI's files."""

import csv
import json

import pytest

from exray.errors import RecordError
from exray.zoo.manifest import MANIFEST, Manifest
from exray.zoo.trojai_metadata import trojai_config


@pytest.fixture
def manifest(clean_entry, trojaned_entry):
    models = (clean_entry, trojaned_entry)
    return Manifest(name="micro", recipe={"name": "micro", "seed": 7}, models=models)


@pytest.fixture
def root(tmp_path, manifest):
    for model in manifest.models:
        model.weights_path(tmp_path).parent.mkdir()
    manifest.write(tmp_path)
    return tmp_path


def test_a_manifest_is_read_as_it_was_written(root, manifest):
    assert Manifest.read(root) == manifest


def test_a_model_is_found_by_its_id(manifest, trojaned_entry):
    assert manifest.entry("id-00000001") is trojaned_entry
    with pytest.raises(KeyError, match="id-00000009"):
        manifest.entry("id-00000009")


def test_trojais_files_stand_beside_it(root, manifest):
    assert (root / "id-00000000" / "ground_truth.csv").read_text() == "0\n"
    assert (root / "id-00000001" / "ground_truth.csv").read_text() == "1\n"
    for model in manifest.models:
        config = json.loads((root / model.model_id / "config.json").read_text())
        assert config == trojai_config(model)
    with (root / "METADATA.csv").open() as file:
        assert [row["model_name"] for row in csv.DictReader(file)] == ["id-00000000", "id-00000001"]


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
