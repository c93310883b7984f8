"""The static look: every kind of file gets findings, a hostile one those that matter."""

from pathlib import Path

import hostile_pickles
import keras_files as keras
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from exray.models.checkpoints.file_report import inspect_file
from exray.models.checkpoints.keras import hdf5
from exray.models.checkpoints.keras import hdf5_worker as hdf5_reader

WEIGHTS = {"weight": torch.ones(2, 3), "bias": torch.ones(2)}


@pytest.fixture(autouse=True)
def inside(monkeypatch):
    """The HDF5 reader in this process: a second less."""
    read = lambda path: hdf5_reader.answered(str(path), path.stat().st_size)  # noqa: E731
    monkeypatch.setattr(hdf5, "_read", read)


def looked(path, size=True):
    findings = dict(inspect_file(path))
    if size:
        assert findings.pop("bytes") == path.stat().st_size
    return findings


def test_a_zip_checkpoint_is_counted_and_its_names_are_told(tmp_path):
    path = tmp_path / "m.pt"
    torch.save(WEIGHTS, path)
    findings = looked(path)
    assert findings["form"] == "zip archive of torch.save"
    assert (findings["storages asked for"], findings["largest entry"] >= 24) == (2, True)
    assert findings["names of weights"].split(", ")[0] == "torch._utils._rebuild_tensor_v2"
    assert not {"names of layers", "names that are not on the list", "file_report_error"} & set(
        findings
    )


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_whole_network_names_its_layers(tmp_path, is_zip):
    path = tmp_path / "m.pt"
    torch.save(nn.Sequential(nn.Linear(2, 3)), path, _use_new_zipfile_serialization=is_zip)
    findings = looked(path)
    assert findings["form"].startswith(
        "zip archive of" if is_zip else "pickles, as torch.save wrote"
    )
    assert "torch.nn.modules.linear.Linear" in findings["names of layers"].split(", ")
    assert "names that are not on the list" not in findings


def test_programs_are_called_that(tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(hostile_pickles.archive({"m/data.pkl": b"N.", "m/constants.pkl": b"N."}))
    assert looked(path)["form"] == "zip archive of TorchScript"
    path.write_bytes(hostile_pickles.archive({"m/archive_format": b"pt2"}))
    assert looked(path)["form"] == "zip archive of an exported program"


def test_safetensors_and_keras_are_counted(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file(WEIGHTS, path)
    assert looked(path)["tensors"] == 2
    path = keras.weights_only(tmp_path / "m.h5", {"c": keras.kernel(1, 1, 3, 2)})
    findings = looked(path)
    assert (findings["form"], findings["tensors"], findings["tensor_bytes"]) == (
        "HDF5, as Keras writes it",
        2,
        32,
    )


@pytest.mark.parametrize("case", hostile_pickles.RUNS)
def test_what_a_hostile_pickle_names_is_told_and_not_run(tmp_path, case):
    canary, path = tmp_path / "canary", tmp_path / "m.pt"
    path.write_bytes(hostile_pickles.RUNS[case](canary))
    findings = looked(path)
    assert all(str(value).isascii() and str(value).isprintable() for value in findings.values())
    assert not canary.exists()
    if case in ("os.system", "os.system, before torch 1.6", "hidden behind weights"):
        assert "posix.system" in findings["names that are not on the list"]


@pytest.mark.parametrize("case", ["a zip bomb", "a pickle without end", "safetensors with a huge"])
def test_a_look_that_cannot_go_on_says_why(tmp_path, case):
    path = tmp_path / "m.pt"
    corpus = hostile_pickles.EXHAUSTS | hostile_pickles.BROKEN
    make = next(corpus[name] for name in corpus if name.startswith(case))
    path.write_bytes(make(tmp_path / "canary"))
    assert looked(path)["file_report_error"]


def test_what_is_no_file_has_findings_too(tmp_path):
    expected = {"form": "unreadable", "file_report_error": "No such file or directory"}
    assert looked(Path("nowhere.pt"), size=False) == expected
    (tmp_path / "m.onnx").write_bytes(b"\x08\x07\x12\x04test")
    assert looked(tmp_path / "m.onnx")["form"] == "ONNX graph"
