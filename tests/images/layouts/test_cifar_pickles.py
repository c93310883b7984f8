"""CIFAR's Python version is read without loading its pickles."""

import os
import pickle

import numpy as np
import pytest

from exray.images.layouts.cifar_pickles import find_cifar_pickles, literals

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (20, 3072), dtype=np.uint8)
LABELS = [int(label) for label in np.arange(20) % 10]
NAMES = [f"kind {index}" for index in range(10)]


def write(path, content, protocol=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=protocol))


def cifar10(folder, protocol=2, **changes):
    meta = {"num_cases_per_batch": 20, "label_names": NAMES, "num_vis": 3072}
    write(folder / "batches.meta", meta, protocol)
    files = [f"{index}.png" for index in range(20)]
    batch = {"batch_label": "testing batch 1 of 1", "labels": LABELS, "data": PIXELS}
    write(folder / "test_batch", {**batch, "filenames": files, **changes}, protocol)


def read(listing):
    return {key: np.stack([entry.read() for entry in listing.entries[key]]) for key in range(10)}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pixels_labels_and_names_are_those_of_the_pickle(tmp_path, protocol):
    cifar10(tmp_path / "cifar-10-batches-py", protocol)
    for root in (tmp_path, tmp_path / "cifar-10-batches-py"):
        listing = find_cifar_pickles(root)
        assert listing.names == dict(enumerate(NAMES))
        assert "the test images are taken" in listing.remarks[0]
        images = read(listing)
        expected = PIXELS.reshape(20, 3, 32, 32).transpose(0, 2, 3, 1)
        for label in range(10):
            assert np.array_equal(images[label], expected[[label, label + 10]])


def test_keys_may_be_bytes_as_python_2_wrote_them(tmp_path):
    # As Python 2 wrote it: byte strings by BINSTRING, the array by _reconstruct and its state.
    head = b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03"
    array = b"cnumpy\nndarray\nq\x04K\x00\x85U\x01bq\x05\x87Rq\x06(K\x01K\x01M\x00\x0c\x86"
    dtype = b"cnumpy\ndtype\nq\x07U\x02u1q\x08K\x00K\x01\x87Rq\x09\x89"
    pixels = b"T" + (3072).to_bytes(4, "little") + PIXELS[0].tobytes() + b"tb"
    labels = b"U\x06labelsq\x0a]q\x0bK\x07aU\x0bbatch_labelq\x0cU\x01xu."
    (tmp_path / "test_batch").write_bytes(head + array + dtype + pixels + labels)
    write(tmp_path / "batches.meta", {b"label_names": [b"a", b"b"]})
    listing = find_cifar_pickles(tmp_path)
    assert list(listing.entries) == [7]
    assert np.array_equal(listing.entries[7][0].read()[..., 0].reshape(-1), PIXELS[0][:1024])


def test_of_cifar_100_the_fine_labels_are_taken(tmp_path):
    folder = tmp_path / "cifar-100-python"
    fine = [label * 9 for label in LABELS]
    content = {"filenames": ["a"] * 20, "fine_labels": fine, "coarse_labels": LABELS}
    for name in ("train", "test"):
        write(folder / name, {**content, "data": PIXELS})
    write(folder / "meta", {"fine_label_names": NAMES, "coarse_label_names": ["x", "y"]})
    listing = find_cifar_pickles(tmp_path)
    assert list(listing.entries) == sorted(set(fine))
    assert list(listing.names.values()) == NAMES


def test_training_batches_are_taken_where_there_is_nothing_else(tmp_path):
    cifar10(tmp_path)
    (tmp_path / "test_batch").rename(tmp_path / "data_batch_1")
    (tmp_path / "data_batch_2").write_bytes((tmp_path / "data_batch_1").read_bytes())
    listing = find_cifar_pickles(tmp_path)
    assert len(listing.entries[3]) == 4
    assert "the train images are taken" in listing.remarks[0]


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_nothing_in_a_pickle_runs(tmp_path):
    cifar10(tmp_path, extra=Runs(tmp_path / "ran"))
    assert len(find_cifar_pickles(tmp_path).entries) == 10
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": PIXELS[:5]}, r"for each of its labels, and has 20 labels; take the binary"),
        ({"labels": np.array(LABELS)}, r"take the binary version"),
        ({"labels": [*LABELS[:-1], -1]}, "must hold labels from 0 to 99999, and does not"),
    ],
)
def test_another_pickle_is_refused(tmp_path, changes, message):
    cifar10(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        find_cifar_pickles(tmp_path)


@pytest.mark.parametrize("data", [b"", b"junk", b"\x80\x02T\xff\xff\xff\x7fab"])
def test_a_damaged_pickle_is_named(tmp_path, data):
    (tmp_path / "test_batch").write_bytes(data)
    with pytest.raises(ValueError, match=r"test_batch is no batch of CIFAR .* take the binary"):
        literals(tmp_path / "test_batch")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "test_batch").open("wb") as file:
        file.truncate(2**29 + 1)
    with pytest.raises(ValueError, match="is larger than any file of CIFAR"):
        literals(tmp_path / "test_batch")


def test_a_folder_without_names_is_none_of_them(tmp_path):
    write(tmp_path / "test_batch", {})
    assert find_cifar_pickles(tmp_path) is None
