"""Images and labels in NumPy's archives."""

import numpy as np
import pytest

from exray.images.layouts.archives import find_archives, read_archive

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
LABELS = np.arange(6) % 2


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_names_of_arrays_are_those_that_people_use(tmp_path):
    for images, labels in (("images", "labels"), ("X", "y"), ("data", "label")):
        listing = read_archive(write(tmp_path / "a.npz", **{images: IMAGES, labels: LABELS}))
        assert np.array_equal(listing.entries[1][2].read(), IMAGES[5])


def test_of_several_splits_the_validation_images_are_taken(tmp_path):
    arrays = {"train_images": IMAGES, "train_labels": LABELS}
    arrays |= {"val_images": IMAGES[:2, ..., 0], "val_labels": np.array([[1], [1]])}
    listing = read_archive(write(tmp_path / "medical.npz", **arrays))
    assert list(listing.entries) == [1]
    assert listing.entries[1][0].read().shape == (4, 4, 1)
    assert listing.remarks == (f"of {tmp_path}/medical.npz the val images are taken",)


def test_of_several_files_the_largest_of_the_best_split_is_taken(tmp_path):
    write(tmp_path / "test_few.npz", images=IMAGES[:2], labels=LABELS[:2])
    write(tmp_path / "test_many.npz", images=IMAGES, labels=LABELS)
    write(tmp_path / "train.npz", images=np.concatenate([IMAGES] * 3), labels=np.tile(LABELS, 3))
    listing = find_archives(tmp_path)
    assert len(listing.entries[0]) == 3
    assert "the test images are taken" in listing.remarks[0]
    assert find_archives(tmp_path.parent) is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IMAGES}, "it has x, not images and labels"),
        ({"images": np.array([{}], dtype=object), "labels": LABELS}, "is no archive of images"),
        ({"images": IMAGES, "labels": LABELS / 2}, "labels as whole numbers; got float64"),
        ({"images": IMAGES, "labels": LABELS - 1}, "labels from 0 to 99999, and does not"),
        ({"images": IMAGES[:5], "labels": LABELS}, "as many as labels; got uint8 of shape"),
        ({"images": IMAGES / 255, "labels": LABELS}, "as uint8 .* got float64"),
        ({"images": IMAGES.transpose(0, 3, 1, 2), "labels": LABELS}, "with 1 or 3 channels last"),
        ({"jpeg": IMAGES[0, 0, 0], "labels": LABELS}, "must hold rising offsets into jpeg"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        read_archive(write(tmp_path / "a.npz", **arrays))


@pytest.mark.parametrize("offsets", [[0, 5], [0] * 3, [0, 2, 10**9], [-1, 1, 2], [0.0, 1.0, 2.0]])
def test_offsets_that_do_not_fit_are_refused(tmp_path, offsets):
    jpeg = np.zeros(8, dtype=np.uint8)
    with pytest.raises(ValueError, match="must hold rising offsets into jpeg"):
        read_archive(write(tmp_path / "a.npz", jpeg=jpeg, offsets=offsets, labels=LABELS[:2]))


def test_a_truncated_archive_is_refused(tmp_path):
    path = write(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match="is no archive of images that can be read"):
        read_archive(path)
