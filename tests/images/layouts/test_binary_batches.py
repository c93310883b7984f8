"""CIFAR-10, CIFAR-100 and STL-10 in binary records."""

import numpy as np
import pytest

from exray.images.layouts.binary_batches import find_batches

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def records(labels, pixels=PIXELS):
    return b"".join(
        bytes(label) + image.transpose(2, 0, 1).tobytes()
        for label, image in zip(labels, pixels, strict=True)
    )


def test_cifar_10_has_its_test_batch_and_its_own_names(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "data_batch_1.bin").write_bytes(records([[0]] * 4))
    (folder / "test_batch.bin").write_bytes(records([[1], [0], [1], [9]]))
    (folder / "batches.meta.txt").write_text("airplane\nautomobile\n\n")
    for root in (tmp_path, folder):
        listing = find_batches(root)
        assert list(listing.entries) == [1, 0, 9]
        assert np.array_equal(listing.entries[1][1].read(), PIXELS[2])
        assert listing.names == {0: "airplane", 1: "automobile"}
        assert listing.remarks == (f"of {folder} the test images are taken",)


def test_cifar_100_has_its_fine_labels(tmp_path):
    (tmp_path / "fine_label_names.txt").write_text("apple\nbaby\n")
    (tmp_path / "train.bin").write_bytes(records([[5, 0], [6, 1], [5, 0], [6, 1]]))
    listing = find_batches(tmp_path)
    assert list(listing.entries) == [0, 1]
    assert np.array_equal(listing.entries[0][1].read(), PIXELS[2])
    assert "the train images are taken" in listing.remarks[0]


def test_stl_10_is_stored_by_columns_and_counts_from_one(tmp_path):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    pixels = RANDOM.integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    (folder / "test_X.bin").write_bytes(pixels.transpose(0, 3, 2, 1).tobytes())
    (folder / "test_y.bin").write_bytes(bytes([10, 1]))
    (folder / "class_names.txt").write_text("airplane\nbird\n")
    listing = find_batches(tmp_path)
    assert list(listing.entries) == [9, 0]
    assert np.array_equal(listing.entries[0][0].read(), pixels[1])


@pytest.mark.parametrize("length", [0, 100, 3074])
def test_a_truncated_batch_is_refused(tmp_path, length):
    (tmp_path / "test_batch.bin").write_bytes(bytes(length))
    with pytest.raises(ValueError, match=f"its {length} bytes are not a whole number of 3073-byte"):
        find_batches(tmp_path)
    assert find_batches(tmp_path / "none") is None
