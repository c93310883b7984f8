"""Images in memory as a listing."""

from pathlib import Path

import numpy as np
import pytest

from exray.images.layouts.arrays import list_pixels, list_rows

PLACE = Path("memory")


def test_rows_are_listed_by_class_and_read_when_they_are_asked_for():
    reads = []

    def read(row):
        reads.append(row)
        return bytes([row])

    listing = list_rows(PLACE, np.array([4, 0, 4]), read, names=["zero"], remarks=("said",))
    assert reads == []
    assert [entry.read() for entry in listing.entries[4]] == [b"\x00", b"\x02"]
    assert listing.entries[4][1].name == "2 of memory"
    assert (listing.names, listing.remarks) == ({0: "zero"}, ("said",))


@pytest.mark.parametrize("labels", [[], [-1, 0], [0, 100_000]])
def test_labels_that_are_no_indices_are_refused(labels):
    with pytest.raises(ValueError, match="memory must hold labels from 0 to 99999, and does not"):
        list_rows(PLACE, np.array(labels, dtype=np.int64), bytes)


def test_pixels_and_labels_must_be_as_many():
    pixels = np.zeros((2, 4, 4, 1), dtype=np.uint8)
    assert list_pixels(PLACE, pixels, np.array([0, 1])).entries[1][0].read().shape == (4, 4, 1)
    with pytest.raises(ValueError, match="it has 2 images and 1 labels"):
        list_pixels(PLACE, pixels, np.array([0]))
