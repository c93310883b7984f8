"""What is in an HDF5 file of Keras, and what becomes of a reader that fails."""

import keras_files as keras
import pytest
import torch
from hostile_files import CORPUS

from exray.errors import CheckpointError
from exray.models.checkpoints.keras import hdf5
from exray.models.checkpoints.keras.hdf5 import read_keras
from exray.models.checkpoints.reader import read_checkpoint


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = keras.weights_only(tmp_path / "m.h5", {"c": keras.kernel(1, 1, 3, 2)})
    said = "Traceback\nModuleNotFoundError: No module named 'h5py'"
    monkeypatch.setattr(hdf5, "_read", lambda _: (1, b"", said))
    with pytest.raises(
        CheckpointError, match=r"h5py; .* not installed: pip install 'exray.keras.'"
    ):
        read_checkpoint(path)


@pytest.mark.usefixtures("own_process")
def test_a_reader_that_crashes_is_an_answer(tmp_path, monkeypatch):
    script = tmp_path / "crash.py"
    script.write_text("import os, sys; sys.stderr.write(f'by \\x1b {len(sys.argv)}'); os.abort()")
    monkeypatch.setattr(hdf5, "_READER", script)
    path = tmp_path / "m.h5"
    path.write_bytes(CORPUS["an address beyond the end"](tmp_path / "canary"))
    with pytest.raises(
        CheckpointError, match=r"made HDF5's reader end unexpectedly \(by \\x1b 3\)"
    ):
        read_checkpoint(path)


def test_layers_weights_and_description_are_those_of_the_file(tmp_path):
    weights = {"conv": keras.kernel(3, 3, 3, 4), "norm": keras.norm(4)}
    config = keras.sequential([keras.conv("conv", 4, (3, 3))])
    file = read_keras(keras.whole(tmp_path / "m.h5", config, weights))
    assert file.config == config
    assert [layer.name for layer in file.layers] == ["conv", "norm"]
    for layer in file.layers:
        assert list(layer.weights) == list(weights[layer.name])
        for key, value in layer.weights.items():
            assert torch.equal(value, torch.from_numpy(weights[layer.name][key]))
    assert file.look["tensors"] == 6
    assert file.look["tensor_bytes"] == sum(
        array.nbytes for arrays in weights.values() for array in arrays.values()
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((3, b"", "holds a link\n"), "m.h5 holds a link; save it again with Keras"),
        ((1, b"", ""), r"end unexpectedly \(status 1\)"),
        ((0, b"\x02\0\0\0\0\0\0\0{}", ""), "cannot be passed on"),
    ],
)
def test_what_the_reader_answers_instead_of_layers_is_said(tmp_path, monkeypatch, answer, message):
    monkeypatch.setattr(hdf5, "_read", lambda _: answer)
    with pytest.raises(CheckpointError, match=message):
        read_keras(tmp_path / "m.h5")
