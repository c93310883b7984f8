"""Images in MNIST's format."""

import gzip

import numpy as np
import pytest

from exray.images.layouts.idx import find_idx

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
LABELS = np.array([3, 1, 3, 0, 1, 3], dtype=np.uint8)


def head(*lengths):
    return bytes([0, 0, 8, len(lengths)]) + b"".join(n.to_bytes(4, "big") for n in lengths)


def write(folder, prefix="t10k", *, ending="", images=IMAGES, labels=LABELS):
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if ending else bytes
    data = {"images-idx3": head(*images.shape) + images.tobytes()}
    data["labels-idx1"] = head(len(labels)) + labels.tobytes()
    for name, content in data.items():
        (folder / f"{prefix}-{name}-ubyte{ending}").write_bytes(pack(content))


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
def test_test_images_are_found_where_torchvision_leaves_them(tmp_path, place, ending):
    write(tmp_path / place, ending=ending)
    write(tmp_path / place, "train", ending=ending, images=IMAGES[:1], labels=LABELS[:1])
    listing = find_idx(tmp_path)
    assert {key: len(entries) for key, entries in listing.entries.items()} == {3: 3, 1: 2, 0: 1}
    assert np.array_equal(listing.entries[1][1].read()[..., 0], IMAGES[4])
    assert "the test images are taken" in listing.remarks[0]


def test_an_unpacked_file_goes_before_its_archive(tmp_path):
    write(tmp_path)
    for kind in ("images-idx3", "labels-idx1"):
        (tmp_path / f"t10k-{kind}-ubyte.gz").write_bytes(b"broken")
    assert find_idx(tmp_path).remarks == ()


def test_several_datasets_are_refused(tmp_path):
    for name in ("MNIST", "FashionMNIST"):
        write(tmp_path / name / "raw")
    with pytest.raises(ValueError, match=r"holds several datasets \(.*MNIST.*name the folder of"):
        find_idx(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is no file in MNIST's format \(its first bytes are not"),
        (head(6, 5), "its first bytes are not those of such a file"),
        (head(6, 5, 4) + bytes(10), "is truncated: 10 of 120 bytes are there"),
        (head(2**32 - 1, 2**32 - 1, 2**32 - 1), "is (truncated|no file in MNIST's format)"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content, message):
    write(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        find_idx(tmp_path)


def test_labels_must_be_as_many_and_there(tmp_path):
    write(tmp_path, labels=LABELS[:5])
    with pytest.raises(ValueError, match="it has 6 images and 5 labels"):
        find_idx(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte.gz is no file in MNIST's"):
        find_idx(tmp_path)
    assert find_idx(tmp_path / "none") is None
