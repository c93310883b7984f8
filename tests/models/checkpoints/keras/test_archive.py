"""Keras' own archives: described in JSON, weights in HDF5, and nothing else is read."""

import io
import json
import zipfile
from pathlib import Path

import keras_files as keras
import numpy as np
import pytest
import torch

from exray.errors import CheckpointError
from exray.models.checkpoints.file_report import inspect_file
from exray.models.checkpoints.keras import archive
from exray.models.checkpoints.model_file import FileForm, ModelFile
from exray.models.checkpoints.reader import network_problem, read_checkpoint

WHOLE = Path(__file__).parent / "whole.keras"


@pytest.mark.usefixtures("own_process")
def test_an_archive_of_keras_itself_answers_as_keras_said():
    """Two convolutions, the second under a name of its own: groups are called after classes."""
    assert ModelFile(WHOLE).form is FileForm.KERAS
    checkpoint = read_checkpoint(WHOLE)
    pixels = np.linspace(0, 1, 2 * 8 * 6 * 3, dtype=np.float32).reshape(2, 8, 6, 3)
    answer = checkpoint.network(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    said = [[0.3627391, 0.3577965, 0.2794644], [0.3834178, 0.3516304, 0.2649517]]
    assert answer.numpy() == pytest.approx(np.array(said), abs=1e-6)
    assert checkpoint.remarks == (
        "whole.keras is a Keras archive; its network was built of PyTorch's layers",
    )
    assert network_problem(WHOLE) == ""
    assert inspect_file(WHOLE)["form"] == "Keras archive"


def changed(place, config=None, weights=None, **more):
    """The archive with another description or other weights."""
    with zipfile.ZipFile(WHOLE) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    entries |= {"config.json": config or entries["config.json"]}
    entries |= {"model.weights.h5": weights or entries["model.weights.h5"]} | more
    with zipfile.ZipFile(place, "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return place


def described(*layers):
    return json.dumps({"class_name": "Sequential", "config": {"layers": list(layers)}}).encode()


LAMBDA = described(keras.layer("Lambda", "code", function=["4wEAAAA=", None, None]))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (b"{", "has a config.json that is none of Keras' "),
        (b"\xff\xfe", "has a config.json that is none of Keras' "),
        (b"[" * 100_000, "has a config.json that is none of Keras' "),
        (b"{}", "it lists no layers"),
        (described(7), "it lists something that is no layer"),
    ],
)
def test_a_description_that_keras_does_not_write_is_refused(tmp_path, config, said):
    with pytest.raises(CheckpointError, match=said) as caught:
        read_checkpoint(changed(tmp_path / "m.keras", config=config))
    assert str(caught.value).startswith(f"{tmp_path / 'm.keras'} ")


def test_a_lambda_layer_is_code_and_leaves_the_weights(tmp_path):
    checkpoint = read_checkpoint(changed(tmp_path / "m.keras", config=LAMBDA))
    assert checkpoint.network is None
    assert checkpoint.unbuilt == "has a Lambda layer, code, which is code"
    assert len(checkpoint.state) == 12


def test_layers_keep_the_descriptions_order_where_names_sort_in_another(tmp_path):
    layers = [keras.conv(f"c{number}", 1, (1, 1)) for number in range(11)]
    buffer = io.BytesIO()
    weights = {
        f"conv2d_{number}" if number else "conv2d": keras.kernel(1, 1, 3 if number == 0 else 1, 1)
        for number in range(11)
    }
    keras.numbered(buffer, weights)
    path = changed(tmp_path / "m.keras", config=described(*layers), weights=buffer.getvalue())
    assert [layer.name for layer in ModelFile(path).keras.layers] == [f"c{n}" for n in range(11)]


def test_a_long_description_and_broken_weights_are_refused_by_the_archives_name(
    tmp_path, monkeypatch
):
    path = changed(tmp_path / "m.keras", weights=b"\x89HDF\r\n\x1a\nrubbish")
    with pytest.raises(CheckpointError, match=r"m.keras is truncated, damaged or no HDF5 file"):
        read_checkpoint(path)
    monkeypatch.setattr(archive, "_MAX_CONFIG", 10)
    with pytest.raises(CheckpointError, match=r"has a config\.json of 6571 bytes; at most 10 are"):
        read_checkpoint(path)


def test_a_zip_with_an_entry_outside_its_folder_is_no_archive_of_keras(tmp_path):
    path = changed(tmp_path / "m.keras", **{"../x": b""})
    assert ModelFile(path).form is FileForm.ZIP
    with pytest.raises(CheckpointError, match="outside its folder"):
        read_checkpoint(path)
