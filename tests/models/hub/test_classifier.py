"""A hub's folder as a classifier: names, preprocessing, and no code of its own."""

import json

import hub_folders
import pytest
import torch

from exray.errors import CheckpointError
from exray.models.hub.classifier import (
    class_indices,
    declared_input,
    folder_report,
    is_hub_folder,
    read_hub_folder,
)
from exray.models.hub.folder import HubFolder
from exray.models.loading import load_classifier, load_network

pytest.importorskip("transformers")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path):
    hub_folders.transformers_folder(tmp_path / "convnext", "convnext")
    return tmp_path / "convnext"


def changed(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def test_a_folder_says_its_network_its_classes_and_its_input(folder):
    found = read_hub_folder(HubFolder(folder))
    assert found.name == "ConvNextForImageClassification"
    assert found.class_indices == {"heron": 0, "lynx": 1, "otter": 2, "viper": 3}
    assert found.declared.description == ("size 32, bicubic, mean 0.5, 0.5, 0.5, std 0.5, 0.5, 0.5")
    assert found.remarks[0].startswith("convnext is a folder of transformers: its ConvNextFor")
    assert folder_report(HubFolder(folder))["form"] == "folder of transformers"


def test_a_folder_of_timm(tmp_path):
    hub_folders.timm_folder(tmp_path, "convnext_atto")
    found = read_hub_folder(HubFolder(tmp_path))
    assert (found.name, list(found.class_indices)) == ("convnext_atto", list(hub_folders.NAMES))
    assert found.declared.source == "its config.json"
    assert (found.declared.size, found.declared.crop) == (32, 32)


def test_a_classifier_with_the_declared_mean_and_std(folder):
    classifier = load_classifier(folder)
    assert classifier.preprocessing.mean == (0.5, 0.5, 0.5)
    assert classifier.num_classes == 4


def test_a_folder_without_a_preprocessor_says_so(folder):
    (folder / "preprocessor_config.json").unlink()
    found = read_hub_folder(HubFolder(folder))
    assert found.declared is None or found.declared.mean == ()
    assert "it has no preprocessor_config.json" in found.remarks[-1]


def test_code_that_a_folder_brings_is_refused_unless_a_factory_replaces_it(folder):
    """With trust_remote_code it would be another network than transformers' own."""
    (folder / "modeling_own.py").write_text("raise SystemExit('ran')")
    changed(folder, auto_map={"AutoModelForImageClassification": "modeling_own.Own"})
    with pytest.raises(CheckpointError, match=r"of its own \(auto_map: modeling_own.Own\), which"):
        read_hub_folder(HubFolder(folder))
    with pytest.raises(CheckpointError, match="does not fit the network"):
        load_network(folder, factory=lambda: torch.nn.Linear(2, 3))


def test_the_weights_of_a_folder_in_a_network_of_the_callers(tmp_path):
    hub_folders.timm_folder(tmp_path, "convnext_atto")
    settings = hub_folders.TIMM["convnext_atto"]
    timm = pytest.importorskip("timm")
    loaded = load_network(
        tmp_path, factory=lambda: timm.create_model("convnext_atto", num_classes=4, **settings)
    )
    assert loaded.declared == declared_input(HubFolder(tmp_path))
    assert list(loaded.class_indices) == list(hub_folders.NAMES)


def test_what_is_no_hub_folder(tmp_path):
    assert not is_hub_folder(tmp_path)
    assert folder_report(HubFolder(tmp_path)) == {
        "form": "folder",
        "file_report_error": "is a folder without config.json",
    }
    with pytest.raises(CheckpointError, match="a folder without config"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"id2label": {"1": "dog", "0": "cat", "x": "y", "2": 3}}, {"cat": 0, "dog": 1}),
        ({"label_names": ["n1", "n2"], "label_descriptions": {"n1": "fox"}}, {"fox": 0, "n2": 1}),
        ({"id2label": {"99999999": "far"}}, {}),
        ({"label_names": [3]}, {}),
        ({}, {}),
    ],
)
def test_the_names_of_classes(config, names):
    assert class_indices(config) == names
