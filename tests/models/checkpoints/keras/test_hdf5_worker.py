"""The reader of a stranger's HDF5 file."""

import json

import h5py
import keras_files as keras
import numpy as np
import pytest
from safetensors.numpy import load

from exray.models.checkpoints.keras.hdf5 import _REFUSED
from exray.models.checkpoints.keras.hdf5_worker import REFUSED, RefusedFileError, answered, main


def read(path):
    return main(str(path), path.stat().st_size)


def header(data):
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]


@pytest.mark.parametrize("write", [keras.weights_only, keras.numbered])
def test_arrays_are_named_by_the_places_of_layer_and_weight(tmp_path, write):
    weights = {"conv": keras.kernel(3, 3, 3, 4), "dense": keras.kernel(4, 2)}
    data = read(write(tmp_path / "m.h5", weights))
    tensors = load(data)
    assert sorted(tensors) == ["0.0", "0.1", "1.0", "1.1"]
    assert np.array_equal(tensors["1.0"], weights["dense"]["kernel"])
    layers = json.loads(header(data)["layers"])
    assert [name for name, _ in layers] == ["conv", "dense"]
    named = ["kernel", "bias"] if write is keras.weights_only else ["0", "1"]
    assert [names for _, names in layers] == [named, named]
    assert header(data)["config"] == ""


def test_names_in_numbered_pieces_are_put_together(tmp_path):
    """Keras cuts a list of names that is too long for one attribute."""
    weights = {name: keras.kernel(1, 1, 3, 2) for name in ("a", "b", "c")}
    path = keras.weights_only(tmp_path / "m.h5", weights)
    with h5py.File(path, "r+") as file:
        del file.attrs["layer_names"]
        file.attrs["layer_names0"] = [b"c", b"a"]
        file.attrs["layer_names1"] = [b"b"]
    assert [name for name, _ in json.loads(header(read(path))["layers"])] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.update({"x": h5py.SoftLink("/a")}), r"holds a link \(SoftLink\) at 'x'"),
        (
            lambda file: file.update({"x": h5py.ExternalLink("b.h5", "/")}),
            r"\(ExternalLink\) at 'x'",
        ),
        (lambda file: file.update({"x": np.dtype("f4")}), "holds a named type at 'x'"),
        (lambda file: file.create_dataset("x", data=b"text"), "holds 'x' as .* not as numbers"),
        (lambda file: file.create_dataset("x", (2**40,), "f4"), "claims 4398046511104 bytes for"),
        (lambda file: file.attrs.update(layer_names=[b"a", b"a"]), "names 'a' twice"),
        (lambda file: file.attrs.update(layer_names=[b"z"]), "names a layer 'z', which it does"),
        (lambda file: file["a"].attrs.update(weight_names=[b"w"]), "names a weight 'a/w', which"),
    ],
)
def test_what_keras_does_not_write_is_refused(tmp_path, change, message):
    path = keras.weights_only(tmp_path / "m.h5", {"a": keras.kernel(1, 1, 3, 2)})
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(RefusedFileError, match=message):
        read(path)
    status, data, problem = answered(str(path), path.stat().st_size)
    assert (status, data) == (REFUSED, b"")
    assert problem.isascii()


def test_the_exit_status_of_a_refusal_is_the_one_that_is_waited_for(tmp_path):
    (tmp_path / "m.h5").write_bytes(b"no HDF5")
    status, _, problem = answered(str(tmp_path / "m.h5"), 7)
    assert status == REFUSED == _REFUSED
    assert problem.startswith("is truncated, damaged or no HDF5 file (")
