"""Networks of transformers: their own class, their own weights, and nothing of a stranger's."""

import json

import hub_folders
import pytest
import torch
from safetensors.torch import load_file, save_file

from exray.errors import CheckpointError
from exray.models.hub.folder import HubFolder
from exray.models.hub.transformers_networks import transformers_network

pytest.importorskip("transformers")
pytestmark = pytest.mark.usefixtures("one_thread")


def network_of(place):
    folder = HubFolder(place)
    return transformers_network(folder.config, folder.state(), place)


@pytest.mark.parametrize("kind", hub_folders.TRANSFORMERS)
def test_the_logits_are_those_of_the_saved_network(tmp_path, kind):
    saved = hub_folders.transformers_folder(tmp_path, kind)
    images = torch.rand(2, 3, hub_folders.SIDE, hub_folders.SIDE)
    with torch.no_grad():
        torch.testing.assert_close(network_of(tmp_path)(images), saved(images).logits)


@pytest.fixture
def folder(tmp_path):
    hub_folders.transformers_folder(tmp_path, "convnext")
    return tmp_path


def changed(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model_type": "bert"}, "type 'bert', which is none of the image classifiers"),
        ({"model_type": ["vit"]}, "which is none of the image classifiers"),
        ({"architectures": ["ConvNextModel"]}, "'ConvNextModel', which is no image classifier"),
        ({"architectures": [["x"]]}, "which is no image classifier"),
        ({"quantization_config": {"load_in_8bit": True}}, "holds quantised weights"),
        ({"depths": [1, 1, 900_000, 1]}, "a ConvNextForImageClassification that has more than"),
        ({"hidden_sizes": [8, 16, 24, 900_000]}, "that has more than"),
        ({"hidden_sizes": [8, 16, 24, 2**40]}, "describes a network with hidden_sizes"),
        ({"hidden_sizes": "large"}, "cannot be built"),
        ({"patch_size": 0}, "cannot be built|do not fit"),
        ({"hidden_act": "os.system"}, "cannot be built"),
        ({"id2label": {"0": "a", "1": "b"}}, "of another shape: classifier"),
    ],
)
def test_what_is_no_image_classifier_with_its_weights_is_refused(folder, values, said):
    changed(folder, **values)
    with pytest.raises(CheckpointError, match=said):
        network_of(folder)


def test_no_path_and_no_code_is_passed_on(folder):
    changed(
        folder,
        _name_or_path="/etc/passwd",
        attn_implementation="somebody/kernel",
        _attn_implementation="somebody/kernel",
        _attn_implementation_internal="somebody/kernel",
        transformers_weights="other.safetensors",
        output_hidden_states=True,
        return_dict=False,
        surprise={"a": 1},
    )
    network = network_of(folder).network
    assert network.config._attn_implementation == "eager"
    assert network.config._name_or_path != "/etc/passwd"
    assert network.config.return_dict
    assert not hasattr(network.config, "surprise")


def test_weights_of_other_names_are_refused(folder):
    state = load_file(folder / "model.safetensors")
    state["surprise"] = state.pop("classifier.bias")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing: classifier\.bias; unexpected: surprise"):
        network_of(folder)


def test_shards_and_older_files_of_weights(tmp_path):
    shards = tmp_path / "shards"
    saved = hub_folders.transformers_folder(shards, "vit", max_shard_size="50KB")
    assert not (shards / "model.safetensors").exists()
    images = torch.rand(2, 3, hub_folders.SIDE, hub_folders.SIDE)
    with torch.no_grad():
        torch.testing.assert_close(network_of(shards)(images), saved(images).logits)
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "config.json").write_text((shards / "config.json").read_text())
    torch.save(HubFolder(shards).state(), whole / "pytorch_model.bin")
    with torch.no_grad():
        torch.testing.assert_close(network_of(whole)(images), saved(images).logits)
