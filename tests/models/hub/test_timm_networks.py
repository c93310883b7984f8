"""Networks of timm out of folders, and how timm prepares images."""

import json

import hub_folders
import pytest
import torch
from safetensors.torch import load_file, save_file

from exray.errors import CheckpointError
from exray.models.hub.folder import HubFolder
from exray.models.hub.timm_networks import declared_by_timm, declared_by_values, timm_network

pytest.importorskip("timm")
pytestmark = pytest.mark.usefixtures("one_thread")


def network_of(place):
    folder = HubFolder(place)
    return timm_network(folder.config, folder.state(), place)


@pytest.fixture
def folder(tmp_path):
    hub_folders.timm_folder(tmp_path, "convnext_atto")
    return tmp_path


def changed(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


@pytest.mark.parametrize("name", hub_folders.TIMM)
def test_the_logits_are_those_of_the_saved_network(tmp_path, name):
    saved = hub_folders.timm_folder(tmp_path, name)
    images = torch.rand(2, 3, hub_folders.SIDE, hub_folders.SIDE)
    with torch.no_grad():
        torch.testing.assert_close(network_of(tmp_path)(images), saved(images))


def test_a_network_of_timm_that_transformers_saved(folder):
    state = {f"timm_model.{key}": v for key, v in load_file(folder / "model.safetensors").items()}
    save_file(state, folder / "model.safetensors")
    changed(folder, model_type="timm_wrapper", architectures=["TimmWrapperForImageClassification"])
    assert network_of(folder)(torch.rand(1, 3, 32, 32)).shape == (1, 4)


def test_a_constructor_that_computes_gets_no_value_of_a_strangers(tmp_path):
    timm = pytest.importorskip("timm")
    network = timm.create_model("regnetx_002", num_classes=3).eval()
    config = {"architecture": "regnetx_002", "num_classes": 3, "model_args": {"drop_rate": 0.1}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network_of(tmp_path)(images), network(images))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"architecture": "convnext_atom"}, "a network 'convnext_atom', which timm has not"),
        ({"architecture": "hf-hub:somebody/model"}, "which timm has not"),
        ({"architecture": ["resnet18"]}, "which timm has not"),
        ({"architecture": "convnext_base", "model_args": {}}, "that has more than"),
        ({"model_args": {"depths": [1, 1, 900_000, 1]}}, "that has more than"),
        ({"model_args": {"dims": [8, 16, 24, 2**40]}}, "describes a network with dims"),
        ({"model_args": {"surprise": 1}}, "cannot be built"),
        ({"num_classes": 9, "model_args": {}}, "does not fit the network|that has more than"),
    ],
)
def test_what_timm_cannot_have_saved_is_refused(folder, values, said):
    changed(folder, **values)
    with pytest.raises(CheckpointError, match=said):
        network_of(folder)


def test_a_file_that_the_description_names_is_not_opened(folder):
    arguments = json.loads((folder / "config.json").read_text())["model_args"]
    changed(
        folder,
        model_args=arguments | {"checkpoint_path": "/nowhere.pth", "pretrained": True},
        pretrained_cfg={"file": "/nowhere.pth", "url": "https://example.org/x.pth"},
    )
    assert network_of(folder)(torch.rand(1, 3, 32, 32)).shape == (1, 4)


def test_what_timm_declares_by_name():
    """Case 45: mean and std of one half, bicubic, nine tenths."""
    declared = declared_by_timm("vit_tiny_patch16_224")
    assert declared.description == (
        "size 248, crop 224, bicubic, mean 0.5, 0.5, 0.5, std 0.5, 0.5, 0.5"
    )
    assert declared.source == "timm's pretrained_cfg of vit_tiny_patch16_224"
    assert declared_by_timm("resnet18.tv_in1k").interpolation == "bilinear"


@pytest.mark.parametrize(
    ("values", "size", "crop"),
    [
        ({"input_size": [3, 40, 40], "crop_pct": 0.8}, 50, 40),
        ({"input_size": [3, 40, 40], "crop_pct": 1.0, "crop_mode": "squash"}, 40, None),
        ({"input_size": [3, 40, 40], "crop_pct": "all"}, 40, 40),
        ({"input_size": [3, 40, 30]}, None, None),
    ],
)
def test_sizes(values, size, crop):
    declared = declared_by_values(values, source="timm")
    assert (declared.size, declared.crop) == (size, crop)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"input_size": [3, 10**9, 10**9]},
        {"input_size": "large"},
        {"input_size": [3, 8, 8], "mean": [0.5], "std": [0.0]},
        {"input_size": [3, 8, 8], "mean": [0.5], "std": []},
    ],
)
def test_values_that_declare_nothing(values):
    assert declared_by_values(values, source="timm") is None
