"""The clean images a user names, as samples."""

import numpy as np
import pytest
import torch
from PIL import Image

from exray.images.cifar10.reader import CIFAR10_CLASSES
from exray.images.loading import are_clean_images, decode_clean_images, load_samples

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def arrays(tmp_path):
    np.savez(tmp_path / "train.npz", images=IMAGES[:10], labels=np.arange(10))
    np.savez(tmp_path / "test.npz", images=IMAGES, labels=np.arange(20) % 10)
    return tmp_path


def read(path, num_classes=None, size=None, crop=None):
    decoded = decode_clean_images(path, size=size, crop=crop, limit_per_class=None)
    return decoded.labelled(num_classes)


def save(folder, image):
    folder.mkdir(parents=True)
    Image.fromarray(image).save(folder / "0.png")


def test_of_arrays_the_test_images_are_taken(arrays):
    folder = read(arrays, num_classes=10)
    expected = torch.from_numpy(IMAGES).permute(0, 3, 1, 2)
    rows = torch.tensor([row for label in range(10) for row in (label, label + 10)])
    assert torch.equal(folder.samples.images * 255, expected[rows])
    assert folder.warnings == (f"of {arrays} the test images are taken",)


def test_a_file_of_them_is_taken_whole_and_may_be_resized(arrays):
    assert are_clean_images(arrays / "train.npz")
    samples = read(arrays / "train.npz", size=8).samples
    assert samples.images.shape == (10, 3, 8, 8)


def test_folders_with_some_of_its_class_names_are_not_taken_for_it(tmp_path):
    save(tmp_path / "cat", IMAGES[0])
    save(tmp_path / "dog", IMAGES[1])
    assert read(tmp_path, num_classes=2).samples.labels.tolist() == [0, 1]
    assert read(tmp_path, num_classes=2, size=8).samples.class_names == ("cat", "dog")
    with pytest.raises(ValueError, match="'cat' is neither an index nor a name in"):
        read(tmp_path, num_classes=10)


def test_folders_with_all_its_class_names_have_its_classes_by_their_order(tmp_path):
    for name, image in zip(reversed(CIFAR10_CLASSES), IMAGES, strict=False):
        save(tmp_path / name, image)
    folder = read(tmp_path, num_classes=10)
    assert folder.samples.class_names == CIFAR10_CLASSES
    assert torch.equal(folder.samples.images[9] * 255, torch.from_numpy(IMAGES[0]).permute(2, 0, 1))


def test_other_folders_are_folders_by_class(tmp_path):
    save(tmp_path / "1", IMAGES[0])
    assert read(tmp_path).samples.class_names == ("class 0", "class 1")
    save(tmp_path / "cat", IMAGES[1])
    (tmp_path / "classes.json").write_text('{"cat": 0}')
    assert read(tmp_path).samples.labels.tolist() == [0, 1]
    assert are_clean_images(tmp_path)
    assert not are_clean_images(tmp_path / "none")
    assert not are_clean_images(tmp_path / "classes.json")


def test_another_number_of_classes_is_refused(arrays):
    with pytest.raises(
        ValueError, match=r"label 7, 8, 9 is no class's index, since the classifier"
    ):
        read(arrays, num_classes=7)


def test_samples_are_loaded_and_what_is_odd_is_logged(tmp_path, caplog):
    save(tmp_path / "1", IMAGES[0])
    samples = load_samples(str(tmp_path), size=8, num_classes=3)
    assert samples.images.shape == (1, 3, 8, 8)
    assert samples.num_classes == 3
    assert "2 of 3 classes without images: 0, 2" in caplog.text


def test_images_are_decoded_once_whatever_the_count_of_classes(tmp_path):
    save(tmp_path / "1", IMAGES[0])
    decoded = decode_clean_images(tmp_path, size=None, crop=None, limit_per_class=None)
    (tmp_path / "1" / "0.png").unlink()
    assert decoded.labelled(None).samples.num_classes == 2
    assert decoded.labelled(7).samples.class_names[6] == "class 6"
    with pytest.raises(ValueError, match="label 1 is no class's index, since the classifier has 1"):
        decoded.labelled(1)
