"""Only files of the folder itself are read, and an index that lies is refused."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from exray.errors import CheckpointError
from exray.models.hub.folder import HubFolder, label_indices


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "model"
    place.mkdir()
    (place / "config.json").write_text("{}")
    save_file({"a": torch.ones(2), "b": torch.zeros(3)}, place / "model.safetensors")
    return place


def sharded(folder, places):
    """The folder with its weights in two files, and an index that says what it is told."""
    (folder / "model.safetensors").unlink()
    save_file({"a": torch.ones(2)}, folder / "one.safetensors")
    save_file({"b": torch.zeros(3)}, folder / "two.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return HubFolder(folder)


def test_the_weights_of_one_file(folder):
    assert HubFolder(folder).state().keys() == {"a", "b"}
    assert HubFolder(folder).remarks == ()


def test_the_weights_of_several_files(folder):
    state = sharded(folder, {"a": "one.safetensors", "b": "two.safetensors"}).state()
    assert torch.equal(state["a"], torch.ones(2))
    assert torch.equal(state["b"], torch.zeros(3))


def test_what_a_file_is_is_found_from_its_bytes(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert HubFolder(folder).state().keys() == {"a", "b"}


def test_weights_beside_those_that_are_scanned_are_said(folder):
    torch.save({"a": torch.ones(2)}, folder / "pytorch_model.bin")
    (remark,) = HubFolder(folder).remarks
    assert "those of model.safetensors; pytorch_model.bin beside it was not looked at" in remark


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"a": "one.safetensors", "b": "one.safetensors"}, "an index that is not true: one.safe"),
        ({"a": "one.safetensors"}, None),
        ({"a": "one.safetensors", "b": "three.safetensors"}, "lacks three.safetensors"),
        ({"a": "one.safetensors", "b": "../two.safetensors"}, "which is no file of the folder"),
        ({"a": "one.safetensors", "b": "/etc/passwd"}, "which is no file of the folder"),
        ({"a": "one.safetensors", "b": ".."}, "which is no file of the folder"),
        ({"a": 3}, "a shard that is no text"),
        ({str(i): f"{i}.safetensors" for i in range(1001)}, "names 1001 files"),
        ({}, "without a weight_map"),
    ],
)
def test_an_index_names_files_of_the_folder_and_what_they_hold(folder, places, said):
    hub = sharded(folder, places)
    if said is None:
        assert hub.state().keys() == {"a"}
        return
    with pytest.raises(CheckpointError, match=said):
        hub.state()


def test_a_link_that_leads_out_of_the_folder_is_refused(folder, tmp_path):
    (folder / "model.safetensors").rename(tmp_path / "outside.safetensors")
    (folder / "model.safetensors").symlink_to(tmp_path / "outside.safetensors")
    with pytest.raises(CheckpointError, match="as a link that leads out of the folder"):
        HubFolder(folder).state()


def test_a_snapshot_of_the_hubs_cache_links_to_its_blobs(tmp_path):
    snapshot, blobs = tmp_path / "models--m" / "snapshots" / "abc", tmp_path / "models--m" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "0").write_text('{"model_type": "vit"}')
    (snapshot / "config.json").symlink_to("../../blobs/0")
    assert HubFolder(snapshot).config == {"model_type": "vit"}
    (snapshot / "preprocessor_config.json").symlink_to("../../other")
    (tmp_path / "models--m" / "other").write_text("{}")
    with pytest.raises(CheckpointError, match="leads out of the folder"):
        _ = HubFolder(snapshot).preprocessor


def test_a_pipe_is_no_ordinary_file(folder):
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    with pytest.raises(CheckpointError, match="which is no ordinary file"):
        _ = HubFolder(folder).config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no JSON object"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"a": ' + "9" * 10_000 + "}", "no JSON"),
        (" " * (2**24 + 1), "16777217 bytes; at most 16777216 are read"),
    ],
)
def test_json_that_cannot_be_read_is_refused(folder, text, said):
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=said):
        _ = HubFolder(folder).config


def test_a_folder_without_config_lists_what_it_holds(folder):
    (folder / "config.json").unlink()
    with pytest.raises(
        CheckpointError, match=r"a folder without config\.json; it holds model\.safe"
    ):
        _ = HubFolder(folder).config


@pytest.mark.parametrize(
    ("name", "said"),
    [("tf_model.h5", "tf_model.h5 holds TensorFlow's"), ("readme.md", "has none of model.safe")],
)
def test_a_folder_without_weights_says_what_it_looked_for(folder, name, said):
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(CheckpointError, match=said):
        HubFolder(folder).state()


def test_labels_that_say_nothing_name_no_class():
    assert label_indices({0: "LABEL_0", 1: "LABEL_1"}) == {}
    assert label_indices({0: "LABEL_0", 1: "dog"}) == {"LABEL_0": 0, "dog": 1}
