"""An ONNX file becomes the network that was exported, after a rehearsal in a process of its own."""

import json

import onnx_files
import pytest
import torch

from exray.errors import CheckpointError
from exray.models.checkpoints.file_report import inspect_file
from exray.models.checkpoints.model_file import FileForm, ModelFile
from exray.models.checkpoints.onnx import file as onnx_file
from exray.models.checkpoints.onnx import worker
from exray.models.loading import load_classifier, load_network
from exray.models.splitting.split_classifier import SplitClassifier

pytest.importorskip("onnx2torch")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def exported(tmp_path):
    images = torch.rand(3, 3, 16, 16)
    network = onnx_files.plain_network()
    (tmp_path / "m.onnx").write_bytes(onnx_files.exported(network, images))
    return tmp_path / "m.onnx", network, images


def test_the_logits_are_those_of_the_exported_network(exported):
    """In a process of its own, as every other use."""
    path, network, images = exported
    loaded = load_network(path)
    with torch.no_grad():
        torch.testing.assert_close(loaded.network(images), network(images))
    assert loaded.warnings[0].startswith("m.onnx is an ONNX graph; its network was converted")
    assert loaded.declared.size == 16


@pytest.fixture
def inside(monkeypatch):
    monkeypatch.setattr(onnx_file, "_rehearsed", worker.answered)


@pytest.mark.usefixtures("inside")
def test_it_is_known_by_its_bytes_and_cut_as_other_networks(exported):
    path, _, images = exported
    path = path.rename(path.with_name("model.bin"))
    assert ModelFile(path).form is FileForm.ONNX
    assert inspect_file(path)["operations"] == 8
    assert "2 Conv" in inspect_file(path)["kinds of operation"]
    classifier = load_classifier(path)
    split = SplitClassifier(classifier, "last_conv", example=images)
    torch.testing.assert_close(split.head(split.features(images)), classifier(images))
    assert split.num_channels == 8


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((3, b"", "has a loop"), r"has a loop; export it again with torch\.onnx\.export"),
        ((-9, b"", ""), r"made its reader end unexpectedly \(status -9\)"),
        ((1, b"", "Traceback\nKilled"), r"made its reader end unexpectedly \(Killed\)"),
    ],
)
def test_a_reader_that_fails_is_an_answer(monkeypatch, tmp_path, answer, said):
    monkeypatch.setattr(onnx_file, "_rehearsed", lambda _: answer)
    with pytest.raises(CheckpointError, match=said):
        onnx_file.read_onnx(tmp_path / "m.onnx")


def test_files_beside_the_graph_are_part_of_it(monkeypatch, tmp_path):
    facts = {"operations": {"Relu": 1}, "files": ["w.data"], "sides": [0, 3, 8, 8]}
    answer = (0, json.dumps(facts).encode() + b"\ngraph\n", "")
    monkeypatch.setattr(onnx_file, "_rehearsed", lambda _: answer)
    read = onnx_file.read_onnx(tmp_path / "m.onnx")
    assert (read.graph, read.files) == (b"graph\n", (tmp_path / "w.data",))
