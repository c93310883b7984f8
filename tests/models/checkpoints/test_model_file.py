"""Each part of a stranger's file is parsed once, whoever asks for it."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from exray.errors import CheckpointError
from exray.models.checkpoints import model_file
from exray.models.checkpoints.file_report import inspect_file
from exray.models.checkpoints.model_file import FileForm, ModelFile
from exray.models.checkpoints.reader import network_problem, read_checkpoint


@pytest.fixture
def parsed(monkeypatch):
    """The calls of what opens an archive and of what follows a pickle."""
    calls = []

    def counting(name):
        real = getattr(model_file, name)

        def call(*arguments):
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(model_file, name, call)

    counting("open_archive")
    counting("follow")
    return calls


@pytest.mark.parametrize(("is_zip", "pickles"), [(True, 1), (False, 5)])
def test_inspection_and_loading_parse_a_file_once(tmp_path, parsed, is_zip, pickles):
    path = tmp_path / "m.pt"
    torch.save(nn.Sequential(nn.Linear(2, 3)), path, _use_new_zipfile_serialization=is_zip)
    file = ModelFile(path)
    assert network_problem(file) == ""
    assert inspect_file(file)["calls"] > 0
    assert isinstance(read_checkpoint(file).network, nn.Sequential)
    assert parsed == ["open_archive"] * is_zip + ["follow"] * pickles


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"PK\x03\x04", FileForm.ZIP),
        (b"\x80\x02\x8a", FileForm.PICKLES),
        (b"\x89HDF\r\n\x1a\n", FileForm.HDF5),
        (b"\x10\0\0\0\0\0\0\0{}", FileForm.SAFETENSORS),
        (b"hello", FileForm.UNKNOWN),
    ],
)
def test_the_form_is_told_by_the_first_bytes(tmp_path, head, form):
    path = tmp_path / "m"
    path.write_bytes(head)
    assert ModelFile(path).form is form


def test_what_cannot_be_read_is_refused_at_first_use(tmp_path):
    (tmp_path / "empty").touch()
    for name, message in [("", "is a folder"), ("none", "does not exist"), ("empty", "is empty")]:
        file = ModelFile(tmp_path / name)
        with pytest.raises(CheckpointError, match=message):
            file.head  # noqa: B018 - the access is what reads


def test_a_header_whose_length_starts_as_a_pickle_does_is_no_pickle(tmp_path):
    """One safetensors file in 256."""
    state = {"a": torch.ones(2)}
    for length in range(400):
        save_file(state, tmp_path / "m.bin", metadata={"note": "x" * length})
        if (tmp_path / "m.bin").read_bytes()[0] == 0x80:
            assert ModelFile(tmp_path / "m.bin").form is FileForm.SAFETENSORS
            return
    raise AssertionError("no header is of such a length")
