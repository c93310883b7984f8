"""Where a folder of CIFAR-10 keeps its two splits."""

import numpy as np
import pytest
from PIL import Image

from exray.images.cifar10.layout import holds_pickles, split_files
from exray.images.cifar10.reader import CIFAR10_CLASSES, read_cifar10


def images(count, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def save_arrays(path, count):
    np.savez(path, images=images(count), labels=np.arange(count) % 10)


def save_folder(root, names, count=2):
    for name in names:
        (root / name).mkdir(parents=True)
        for index, image in enumerate(images(count)):
            Image.fromarray(image).save(root / name / f"{index}.png")


def read(root, split):
    return read_cifar10(root, split=split, limit_per_class=None)


def test_batches_are_found_where_the_archive_unpacks_them(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name, label in (("data_batch_1.bin", 3), ("test_batch.bin", 5)):
        (folder / name).write_bytes(bytes([label]) + bytes(3072))
    assert read(tmp_path, "train").labels.tolist() == [3]
    assert read(tmp_path, "test").labels.tolist() == [5]


def test_of_several_array_files_the_one_with_most_images_is_taken(tmp_path):
    save_arrays(tmp_path / "train_few.npz", 10)
    save_arrays(tmp_path / "train_many.npz", 30)
    save_arrays(tmp_path / "test.npz", 20)
    assert len(read(tmp_path, "train")) == 30
    assert len(read(tmp_path, "test")) == 20


def test_a_broken_one_of_several_array_files_is_named(tmp_path):
    save_arrays(tmp_path / "train_a.npz", 10)
    (tmp_path / "train_b.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"train_b.npz is truncated or holds no plain arrays"):
        read(tmp_path, "train")


def test_image_folders_take_class_names_or_indices(tmp_path):
    save_folder(tmp_path / "train", ["cat", "airplane"])
    save_folder(tmp_path / "test", ["3", "9"])
    train, test = (read(tmp_path, split) for split in ("train", "test"))
    assert train.counts() == [2, 0, 0, 2, 0, 0, 0, 0, 0, 0]
    assert test.counts() == [0, 0, 0, 2, 0, 0, 0, 0, 0, 2]
    assert train.class_names == test.class_names == CIFAR10_CLASSES


def test_a_classes_json_of_ones_own_goes_before_the_usual_names(tmp_path):
    save_folder(tmp_path, ["cat"])
    (tmp_path / "classes.json").write_text('{"cat": 0}')
    assert read(tmp_path, "train").counts()[0] == 2
    assert read(tmp_path, "train").class_names[0] == "cat"


def test_a_folder_without_splits_has_none(tmp_path):
    save_folder(tmp_path, ["0", "1"])
    assert split_files(tmp_path, "train") == []


def test_the_python_version_is_seen_where_the_archive_unpacks_it(tmp_path):
    assert not holds_pickles(tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"")
    assert holds_pickles(tmp_path)
