"""What a followed pickle holds: plain values, tensors to be read, and objects that nobody makes."""

import argparse
import datetime
import enum
import io
import pathlib
import pickle
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from torch import nn

from exray.models.checkpoints.pickles.contents import (
    StoredObject,
    StoredTensor,
    contents,
    objects_in,
)
from exray.models.checkpoints.pickles.interpreter import follow
from exray.models.checkpoints.pickles.policy import code_in
from exray.models.checkpoints.pickles.storages import FileStorages
from exray.models.checkpoints.pickles.values import BrokenPickleError


class Mode(enum.Enum):
    TRAIN = "train"


class Settings:
    def __init__(self):
        self.weights = {"a": np.ones(2, np.float32)}


def held(value, protocol=2):
    program = follow(pickle.dumps(value, protocol))
    assert code_in(program.names, program.calls) == ()
    return contents(program.value)


def nowhere():
    return FileStorages(lambda _, __: pytest.fail("nothing is stored"))


ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(24, dtype=np.int64).reshape(2, 3, 4)),
    np.float64([0.1]),
    np.array(3, dtype=np.int16),
    np.zeros((0, 3), dtype=np.float32),
    np.array([True, False]),
    np.arange(3, dtype=np.float16),
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("array", ARRAYS)
def test_an_array_of_numpy_is_read_bit_by_bit(array, protocol):
    stored = held(array, protocol)
    assert isinstance(stored, StoredTensor)
    assert torch.equal(stored.read(nowhere()), torch.from_numpy(array.copy("C")))


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.array([1], ">f4"),
                                   np.array([1j])])  # fmt: skip
def test_an_array_of_anything_else_is_an_object(array):
    assert held(array).path == "numpy.ndarray"


def test_scalars_of_numpy_are_numbers():
    assert held({"a": np.float64(0.5), "b": np.int32(3), "c": np.bool_(True)}) == {
        "a": 0.5, "b": 3, "c": True,
    }  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_instances_are_described_and_not_made(protocol):
    value = {
        "args": argparse.Namespace(lr=0.1),
        "path": pathlib.PurePosixPath("/a/b"),
        "counts": defaultdict(int, {"x": 1}),
        "when": datetime.datetime(2020, 1, 2),
        "mode": Mode.TRAIN,
        "own": Settings(),
        "set": {1, 2},
    }
    found = held(value, protocol)
    assert found["args"].parts == {"lr": 0.1}
    assert found["counts"] == {"x": 1}
    assert isinstance(found["own"].parts["weights"]["a"], StoredTensor)
    here = Settings.__module__
    assert {path.rpartition(".")[2] for path in objects_in(found)} >= {
        "Namespace", "PurePosixPath", "datetime", "Settings",
    }  # fmt: skip
    assert found["own"].path == f"{here}.Settings"
    assert found["set"] == {1, 2}


def test_a_networks_parts_are_under_their_names():
    network = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3)))
    buffer = io.BytesIO()
    torch.save(network, buffer, _use_new_zipfile_serialization=False)
    data, start = buffer.getvalue(), 0
    for _ in range(3):
        start = follow(data, start).end
    stored = contents(follow(data, start).value)
    conv = stored.parts["_modules"]["conv"]
    assert conv.is_network
    assert conv.parts["_parameters"]["weight"].shape == (2, 1, 3, 3)
    assert conv.parts["kernel_size"] == (3, 3)
    assert objects_in(stored) == ()


def test_what_appears_twice_is_one_object():
    shared = [1]
    found = held({"a": shared, "b": shared})
    assert found["a"] is found["b"]


def test_values_inside_values_end_somewhere():
    inner: list[object] = []
    for _ in range(150):
        inner = [inner]
    with pytest.raises(BrokenPickleError, match="values inside values, more than 100 deep"):
        held(inner)
    loop: list[object] = []
    loop.append(loop)
    found = held(loop)
    assert found[0] is found


def test_a_name_alone_is_an_object_or_a_type():
    assert held({"a": torch.float16})["a"] is torch.float16
    assert isinstance(held({"a": Settings})["a"], StoredObject)
