"""CIFAR-10 as binary batches, arrays or an image folder."""

import logging
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from exray.images.cifar10.reader import CIFAR10_CLASSES, read_cifar10

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(20) % 10
EXPECTED = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255


def write_batch(path, images=IMAGES, labels=LABELS):
    """A binary batch: per record the label, then the planes of red, green and blue."""
    records = [
        bytes([label]) + image.transpose(2, 0, 1).tobytes()
        for image, label in zip(images, labels.tolist(), strict=True)
    ]
    path.write_bytes(b"".join(records))
    return path


def write_jpeg(path, labels=LABELS, offsets=None, side=32):
    files = []
    for image in IMAGES:
        file = BytesIO()
        Image.fromarray(image[:side, :side]).save(file, "JPEG", quality=100, subsampling=0)
        files.append(file.getvalue())
    ends = np.cumsum([0, *map(len, files)]) if offsets is None else np.array(offsets)
    jpeg = np.frombuffer(b"".join(files), dtype=np.uint8)
    np.savez(path, jpeg=jpeg, offsets=ends, labels=labels)
    return path


def read(path, split="train", limit=None):
    return read_cifar10(path, split=split, limit_per_class=limit)


def test_a_binary_batch_is_read(tmp_path):
    samples = read(write_batch(tmp_path / "data_batch_1.bin"))
    assert samples.class_names == CIFAR10_CLASSES
    assert samples.labels.tolist() == LABELS.tolist()
    assert torch.equal(samples.images, EXPECTED)


def test_a_folder_of_batches_has_two_splits(tmp_path):
    write_batch(tmp_path / "data_batch_1.bin")
    write_batch(tmp_path / "data_batch_2.bin", IMAGES[:4], LABELS[:4])
    write_batch(tmp_path / "test_batch.bin", IMAGES[5:6], LABELS[5:6])
    assert len(read(tmp_path, "train")) == 24
    assert torch.equal(read(tmp_path, "test").images, EXPECTED[5:6])


def test_lossless_arrays_are_read(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    assert torch.equal(read(tmp_path / "a.npz").images, EXPECTED)


def test_jpeg_arrays_are_read(tmp_path):
    samples = read(write_jpeg(tmp_path / "a.npz"))
    assert samples.labels.tolist() == LABELS.tolist()
    assert (samples.images - EXPECTED).abs().mean() < 0.02


def test_an_image_folder_is_read_and_its_warnings_are_logged(tmp_path, caplog):
    (tmp_path / "3").mkdir()
    Image.fromarray(IMAGES[0]).save(tmp_path / "3" / "a.png")
    with caplog.at_level(logging.WARNING):
        samples = read(tmp_path)
    assert torch.equal(samples.images, EXPECTED[:1])
    assert samples.class_names == CIFAR10_CLASSES
    assert "classes with one image only: 3" in caplog.text


@pytest.mark.parametrize("form", ["bin", "lossless", "jpeg"])
def test_the_limit_takes_the_first_of_each_class(tmp_path, form):
    path = tmp_path / ("a.bin" if form == "bin" else "a.npz")
    if form == "bin":
        write_batch(path)
    elif form == "jpeg":
        write_jpeg(path)
    else:
        np.savez(path, images=IMAGES, labels=LABELS)
    samples = read(path, limit=1)
    assert samples.labels.tolist() == list(range(10))
    assert (samples.images - EXPECTED[:10]).abs().mean() < 0.02


@pytest.mark.parametrize("length", [0, 100, 3073 * 2 - 1])
def test_a_truncated_batch_is_refused(tmp_path, length):
    path = write_batch(tmp_path / "a.bin")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=rf"truncated or no batch: its {length} bytes .*3073-byte"):
        read(path)


def test_a_label_beyond_nine_is_refused(tmp_path):
    path = write_batch(tmp_path / "a.bin", labels=LABELS + 1)
    with pytest.raises(ValueError, match=r"a.bin must hold labels from 0 to 9, and does not"):
        read(path)


def test_a_truncated_archive_is_refused(tmp_path):
    path = write_jpeg(tmp_path / "a.npz")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="is truncated or holds no plain arrays"):
        read(path)


def test_pickled_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.array([{}], dtype=object), labels=LABELS)
    with pytest.raises(ValueError, match="holds no plain arrays"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IMAGES}, "has x, not images and labels"),
        ({"images": IMAGES, "labels": LABELS / 2}, "labels from 0 to 9"),
        ({"images": IMAGES, "labels": LABELS - 1}, "labels from 0 to 9"),
        ({"images": IMAGES[:5], "labels": LABELS}, r"as many as labels, and has uint8 of shape"),
        ({"images": IMAGES / 255, "labels": LABELS}, "must hold images as uint8 .* has float64"),
    ],
)
def test_arrays_that_are_not_cifar10_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("offsets", [[0, 5], [0] * 21, [*range(20), 10**9], [-1, *range(20)]])
def test_offsets_that_do_not_fit_are_refused(tmp_path, offsets):
    with pytest.raises(ValueError, match="must hold rising offsets into jpeg"):
        read(write_jpeg(tmp_path / "a.npz", offsets=offsets))


def test_a_damaged_jpeg_is_named_by_its_index(tmp_path):
    with pytest.raises(ValueError, match=r"image 0 of .*a.npz is (no image|truncated)"):
        read(write_jpeg(tmp_path / "a.npz", offsets=list(range(21))))


def test_images_of_another_size_are_refused(tmp_path):
    with pytest.raises(ValueError, match="has image 0 of another size than 32 x 32"):
        read(write_jpeg(tmp_path / "a.npz", side=16))
    folder = tmp_path / "folder" / "0"
    folder.mkdir(parents=True)
    Image.fromarray(IMAGES[0][:16]).save(folder / "a.png")
    with pytest.raises(ValueError, match="holds images of 32 x 16 pixels, not 32 x 32"):
        read(tmp_path / "folder")


def test_pickled_batches_are_never_opened(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(ValueError, match="holds Python pickles, which are never opened"):
        read(tmp_path)


def test_a_folder_without_the_split_is_refused(tmp_path):
    write_batch(tmp_path / "test_batch.bin")
    with pytest.raises(ValueError, match=r"has no data_batch_\*.bin; name one file .*test_batch"):
        read(tmp_path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "cifar.tar.gz").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"ends in '.gz', not .bin, .npz or .parquet; give"):
        read(tmp_path / "cifar.tar.gz")
    with pytest.raises(ValueError, match=r"none does not exist; unpack the binary version"):
        read(tmp_path / "none")


def test_a_limit_below_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="limit_per_class must be at least 1, or None; got 0"):
        read(tmp_path, limit=0)
