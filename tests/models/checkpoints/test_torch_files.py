"""What torch.save wrote, in either form."""

import sys

import pytest
import torch
from torch import nn

from exray.errors import CheckpointError
from exray.models.checkpoints.model_file import ModelFile
from exray.models.checkpoints.reader import read_checkpoint
from exray.models.checkpoints.torch_files import (
    load_legacy,
    load_zipped,
    program_weights,
)

LOADERS = [(load_zipped, True), (load_legacy, False)]


def saved(path, content, *, zipped):
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return ModelFile(path)


@pytest.mark.parametrize(("load", "zipped"), LOADERS)
def test_either_form_holds_the_same(tmp_path, load, zipped):
    weights = {"a": torch.arange(6.0).reshape(2, 3).T, "n": torch.tensor(3)}
    found = load(saved(tmp_path / "m.pt", {"epoch": 2, "state_dict": weights}, zipped=zipped))
    stored = found.value["state_dict"]
    assert found.value["epoch"] == 2
    assert (stored["a"].shape, stored["a"].dtype) == ((3, 2), torch.float32)
    assert torch.equal(stored["a"].read(found.storages), weights["a"])
    assert stored["n"].read(found.storages) == 3


@pytest.mark.parametrize(("load", "zipped"), LOADERS)
def test_a_network_is_described_and_not_made(tmp_path, load, zipped):
    network = nn.Sequential(nn.Linear(3, 2), nn.LSTM(2, 3))
    stored = load(saved(tmp_path / "m.pt", network, zipped=zipped)).value
    assert stored.path == "torch.nn.modules.container.Sequential"
    assert stored.is_network
    assert stored.parts["_modules"]["1"].path == "torch.nn.modules.rnn.LSTM"


@pytest.mark.parametrize(("load", "zipped"), LOADERS)
def test_a_function_outside_the_list_is_named_and_not_called(tmp_path, load, zipped):
    class Opens:
        def __reduce__(self):
            return open, (str(tmp_path / "canary"), "w")

    file = saved(tmp_path / "m.pt", {"a": torch.ones(1), "b": Opens()}, zipped=zipped)
    with pytest.raises(CheckpointError, match=r"would run code when loaded \(\S*open\)"):
        load(file)
    assert not (tmp_path / "canary").exists()


def test_without_torchvision_the_file_says_what_it_needs(tmp_path, monkeypatch):
    resnet = pytest.importorskip("torchvision.models.resnet")
    network = resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=5)
    file = saved(tmp_path / "model.pt", network, zipped=True)
    monkeypatch.setitem(sys.modules, "torchvision.models.resnet", None)
    with pytest.raises(CheckpointError, match=r"needs torchvision\.models\.\S+ .*; install torchv"):
        read_checkpoint(file)


def test_bytes_after_the_older_form_are_refused(tmp_path):
    path = saved(tmp_path / "m.pt", {"a": torch.ones(2)}, zipped=False).path
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(CheckpointError, match="20 bytes follow its pickles, which want 8"):
        load_legacy(ModelFile(path))


def test_a_checkpoint_is_no_program(tmp_path):
    assert program_weights(saved(tmp_path / "m.pt", {"a": torch.ones(2)}, zipped=True)) is None
