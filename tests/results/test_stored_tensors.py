"""Stored tensors are read on access, and a file that is replaced is read again."""

import numpy as np
import pytest
from safetensors.numpy import save

from exray.errors import RecordError
from exray.results.stored_tensors import StoredTensors


def test_without_a_file_there_are_none(tmp_path):
    tensors = StoredTensors(tmp_path / "tensors.safetensors")
    assert (len(tensors), "mask" in tensors, tensors) == (0, False, {})


def test_a_replaced_file_is_read_again(tmp_path):
    path = tmp_path / "tensors.safetensors"
    tensors = StoredTensors(path)
    for value in (1.0, 2.0):
        path.unlink(missing_ok=True)
        path.write_bytes(save({"mask": np.full(int(value), value)}))
        np.testing.assert_array_equal(tensors["mask"], np.full(int(value), value))
    assert list(tensors) == ["mask"]


def test_two_files_in_turns_give_their_own(tmp_path):
    files = {}
    for value in (1.0, 2.0):
        path = tmp_path / f"{value}.safetensors"
        path.write_bytes(save({"mask": np.array([value])}))
        files[value] = StoredTensors(path)
    for _ in range(2):
        assert [float(tensors["mask"][0]) for tensors in files.values()] == [1.0, 2.0]


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / "tensors.safetensors"
    path.write_bytes(b"\x00")
    with pytest.raises(RecordError, match=r"tensors\.safetensors is broken"):
        list(StoredTensors(path))
