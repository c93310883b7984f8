"""Weights out of a stranger's file, without running anything that the file says."""

import builtins
import os
import pickle
import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from exray.errors import CheckpointError
from exray.models.checkpoints.reader import (
    file_sha256,
    network_problem,
    read_checkpoint,
    read_state,
)

ZIP, LEGACY = True, False
BOTH = pytest.mark.parametrize("zipped", [ZIP, LEGACY])


class Hostile:
    """Pickles into a call of a function."""

    def __init__(self, function, *values):
        self.call = (function, values)

    def __reduce__(self):
        return self.call


class Seen:
    """Another one, of no network."""

    def __init__(self, name):
        self.name = name


class Own(nn.Module):
    """A class of the stranger's."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 5))


def save(path, content, zipped=ZIP, **options):
    torch.save(content, path, _use_new_zipfile_serialization=zipped, **options)
    return path


def refused(path, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        read_state(path)
    assert str(path) in str(caught.value)
    assert ";" in str(caught.value)  # the way out
    assert "weights_only" not in str(caught.value)  # torch's advice is to run the file


@pytest.mark.parametrize("name", ["m.safetensors", "m.pt"])
def test_safetensors_are_read_whatever_the_name(tmp_path, name):
    save_file(network().state_dict(), tmp_path / name)
    state = read_state(tmp_path / name)
    assert torch.equal(state["0.weight"], network()[0].weight)


@BOTH
@pytest.mark.parametrize("wrapper", ["", "state_dict", "model", "model_state_dict", "net"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_wrappers_and_prefixes_are_taken_off(tmp_path, zipped, wrapper, prefix):
    state = {prefix + key: value for key, value in network().state_dict().items()}
    content = {"epoch": 3, "optimizer": {"lr": 0.1}, wrapper: state} if wrapper else state
    loaded = read_state(save(tmp_path / "m.pth", content, zipped))
    assert list(loaded) == list(network().state_dict())
    assert torch.equal(loaded["3.weight"], network()[3].weight)


def test_a_prefix_that_not_all_names_share_stays(tmp_path):
    state = {"module.a": torch.ones(1), "b": torch.ones(1)}
    assert list(read_state(save(tmp_path / "m.pt", state))) == ["module.a", "b"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_small_numbers_become_float32(tmp_path, dtype):
    state = {"a": torch.tensor([0.5, -2.0]).to(dtype), "n": torch.tensor(3)}
    for path in (save(tmp_path / "m.pt", state), tmp_path / "m.safetensors"):
        if path.suffix == ".safetensors":
            save_file(state, path)
        loaded = read_state(path)
        assert loaded["a"].dtype == torch.float32
        assert loaded["a"].tolist() == [0.5, -2.0]
        assert loaded["n"].dtype == torch.int64


@BOTH
@pytest.mark.parametrize(
    ("function", "said"), [(os.system, r"posix\.system"), (builtins.eval, r"builtins\.eval")]
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_hostile_pickles_are_named_and_never_run(tmp_path, zipped, function, said, protocol):
    canary = tmp_path / "canary"
    text = f"touch {canary}" if function is os.system else f"open({str(canary)!r}, 'w').close()"
    content = {"a": torch.ones(2), "b": Hostile(function, text)}
    path = save(tmp_path / "m.pt", content, zipped, pickle_protocol=protocol)
    refused(path, rf"would run code when loaded \({said}\), and is not opened; if you trust")
    assert not canary.exists()


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_hostile_plain_pickle_is_never_run(tmp_path, protocol):
    canary = tmp_path / "canary"
    path = tmp_path / "m.pt"
    path.write_bytes(pickle.dumps(Hostile(os.system, f"touch {canary}"), protocol=protocol))
    refused(path, r"would run code when loaded \(posix\.system\)")
    path.write_bytes(f"cposix\nsystem\n(S'touch {canary}'\ntR.".encode())
    refused(path, r"is not a checkpoint: it starts with b'cposix")
    assert not canary.exists()


@BOTH
@pytest.mark.parametrize("wrapper", ["", "model"])
def test_of_a_whole_network_of_other_classes_the_weights_are_taken(tmp_path, zipped, wrapper):
    own = Own()
    content = {"epoch": 2, wrapper: own} if wrapper else own
    checkpoint = read_checkpoint(save(tmp_path / "m.pt", content, zipped))
    assert list(checkpoint.state) == ["conv.weight", "conv.bias"]
    assert torch.equal(checkpoint.state["conv.weight"], own.conv.weight)
    assert checkpoint.network is None
    said = r"holds a whole network, whose classes are code \(\S*Own\) and are not run"
    assert re.fullmatch(said, checkpoint.unbuilt)


@BOTH
@pytest.mark.parametrize("wrapper", ["", "model"])
def test_a_whole_network_of_known_layers_is_rebuilt(tmp_path, zipped, wrapper):
    whole = network().eval()
    content = {"epoch": 2, wrapper: whole} if wrapper else whole
    checkpoint = read_checkpoint(save(tmp_path / "m.pt", content, zipped))
    images = torch.rand(2, 3, 4, 4)
    assert torch.equal(checkpoint.network(images), whole(images))
    assert checkpoint.remarks == (
        "m.pt holds a whole Sequential, rebuilt from a list of known layers",
    )
    assert not checkpoint.network.training
    assert list(checkpoint.state) == list(whole.state_dict())


def test_a_whole_network_of_small_numbers_becomes_float32(tmp_path):
    checkpoint = read_checkpoint(save(tmp_path / "m.pt", network().half()))
    assert {value.dtype for value in checkpoint.network.parameters()} == {torch.float32}


def test_a_state_dict_has_no_network_and_no_remark(tmp_path):
    checkpoint = read_checkpoint(save(tmp_path / "m.pt", network().state_dict()))
    assert (checkpoint.network, checkpoint.remarks) == (None, ())


@BOTH
def test_only_a_whole_network_seems_to_be_one(tmp_path, zipped):
    assert network_problem(save(tmp_path / "whole.pt", network(), zipped)) == ""
    state = save(tmp_path / "state.pt", network().state_dict(), zipped)
    assert network_problem(state) == "holds weights without a network"
    said = r"a whole network, whose classes are code \(\S*Own\) and are not run"
    assert re.search(said, network_problem(save(tmp_path / "own.pt", Own(), zipped)))
    with pytest.raises(CheckpointError, match="is a folder, not a file"):
        network_problem(tmp_path)
    (tmp_path / "notes.md").write_text("# notes")
    with pytest.raises(CheckpointError, match=r"notes\.md is not a checkpoint: it starts with"):
        network_problem(tmp_path / "notes.md")


def test_other_classes_beside_the_weights_are_left_out_and_named(tmp_path):
    content = {"best": np.float64(0.5), "state_dict": {"a": torch.ones(1)}, "seen": Seen("x")}
    checkpoint = read_checkpoint(save(tmp_path / "m.pt", content))
    assert checkpoint.state["a"].item() == 1
    assert checkpoint.choice == (
        "m.pt: the weights under 'state_dict' were taken; left out: best, seen; not made: "
        f"instances of {Seen.__module__}.Seen"
    )


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "m.pt", "does not exist; check the path")


def test_a_folder_is_refused(tmp_path):
    refused(tmp_path, "is a folder, not a file; name the checkpoint inside it")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "m.pt").touch()
    refused(tmp_path / "m.pt", "is empty; copy or download the file again")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_a_truncated_zip_is_refused(tmp_path, share):
    path = save(tmp_path / "m.pt", network().state_dict())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "is a truncated zip file")


@pytest.mark.parametrize("share", [0.005, 0.1, 0.3, 0.7, 0.99])
def test_a_truncated_legacy_file_is_refused(tmp_path, share):
    path = save(tmp_path / "m.pt", network().state_dict(), LEGACY)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "is truncated, damaged or no checkpoint")


@pytest.mark.parametrize("share", [0.002, 0.1, 0.7, 0.99])
def test_truncated_safetensors_are_refused(tmp_path, share):
    path = tmp_path / "m.safetensors"
    save_file(network().state_dict(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "is a truncated or damaged safetensors file")


def test_damaged_bytes_raise_nothing_but_checkpoint_errors(tmp_path):
    random = np.random.default_rng(0)
    small = {"a": torch.ones(2)}
    for zipped in (ZIP, LEGACY):
        data = save(tmp_path / "whole.pt", small, zipped).read_bytes()
        for _ in range(60):
            damaged = bytearray(data)
            for place in random.integers(0, min(len(data), 400), 3):
                damaged[place] = random.integers(0, 256)
            (tmp_path / "m.pt").write_bytes(damaged)
            try:
                read_state(tmp_path / "m.pt")
            except CheckpointError:
                continue


@pytest.mark.parametrize("text", [b"hello, world", b"{}", b"version https://git-lfs.github.com"])
def test_text_is_no_checkpoint(tmp_path, text):
    (tmp_path / "m.pt").write_bytes(text)
    refused(tmp_path / "m.pt", r"is not a checkpoint: it starts with b.*; give a \.pt")


def test_a_picture_is_no_checkpoint(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "m.pt", "PNG")
    refused(tmp_path / "m.pt", r"is not a checkpoint: it starts with b'.x89PNG")


def test_another_zip_is_no_checkpoint(tmp_path):
    np.savez(tmp_path / "m.npz", a=np.ones(2))
    refused(tmp_path / "m.npz", "is a zip file, but no checkpoint: it has no data.pkl")


@BOTH
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.ones(2), "holds a Tensor, not a state dict; save it again"),
        ([torch.ones(2)], "holds a list, not a state dict"),
        ({}, "holds no tensors by name under its keys: none"),
        ({"epoch": 3, "lr": 1, "a": 1, "b": 2}, "its keys: epoch, lr, a and 1 more; save it"),
        ({"state_dict": {"epoch": 3}}, "holds no tensors by name under its keys: state_dict"),
        ({0: torch.ones(1)}, "holds no tensors by name under its keys: 0"),
        ({"a": torch.tensor([1, torch.nan, torch.inf])}, "not finite: 2 of 3 in 'a'; train or"),
        ({"a": torch.eye(2).to_sparse()}, "'a' as a sparse, quantised or empty tensor; save"),
    ],
)
def test_what_is_no_state_dict_is_refused(tmp_path, content, message, zipped):
    refused(save(tmp_path / "m.pt", content, zipped), message)


def test_a_plain_pickle_of_values_is_no_checkpoint(tmp_path):
    (tmp_path / "m.pt").write_bytes(pickle.dumps({"a": 1}))
    refused(tmp_path / "m.pt", "holds no tensors by name under its keys: a")


def test_the_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "m.pt").write_bytes(b"abc")
    assert file_sha256(tmp_path / "m.pt").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")
