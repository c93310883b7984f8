"""The clean images of a stranger's model: what is read, numbered, left out and refused."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from exray.datasets.folder import FolderDataset
from exray.datasets.preprocess import FolderPreprocess
from exray.models.architectures.registry import build


def loaded(source):
    return source.load("model")


def test_grey_transparent_and_deep_images_are_read(source, folder):
    for label, kind in enumerate(("L", "RGBA")):
        path = folder / "images" / str(label) / "0.png"
        Image.open(path).convert(kind).save(path)
    deep = np.full((16, 16), 40_000, dtype=np.uint16)
    Image.fromarray(deep).save(folder / "images" / "2" / "0.png")
    samples = loaded(source()).samples
    assert samples.images.shape == (6, 3, 16, 16)
    assert torch.allclose(samples.of_class(2)[0], torch.tensor(40_000 / 65_535))
    assert torch.equal(samples.of_class(1)[0], loaded(source()).samples.of_class(1)[0])


def test_a_damaged_image_is_left_out_and_said(source, folder):
    (folder / "images" / "0" / "0.png").write_bytes(b"no image")
    model = loaded(source())
    assert list(model.samples.counts()) == [1, 2, 2]
    assert any("0.png is no image that can be read" in warning for warning in model.warnings)
    assert any("classes with one image only: 0" in warning for warning in model.warnings)


def test_images_of_several_sizes_need_a_size(source, folder):
    path = folder / "images" / "1" / "0.png"
    Image.open(path).resize((20, 10)).save(path)
    with pytest.raises(ValueError, match=r"images must be of one size.*; set the size that"):
        loaded(source())
    sized = FolderPreprocess(size=12, crop=8, mean=(), std=(), scaling="unit")
    assert loaded(source(preprocess=sized)).samples.images.shape == (6, 3, 8, 8)


def test_an_image_smaller_than_the_crop_is_named(source):
    cropped = FolderPreprocess(size=None, crop=32, mean=(), std=(), scaling="unit")
    with pytest.raises(ValueError, match=r"smaller than crop=32; set size to"):
        loaded(source(preprocess=cropped))


def test_a_class_without_images_is_said(source, folder):
    for path in (folder / "images" / "2").iterdir():
        path.unlink()
    model = loaded(source())
    assert list(model.samples.counts()) == [2, 2, 0]
    assert model.warnings == ("1 of 3 classes without images: 2",)


def test_a_label_outside_the_classes_is_refused(source, folder):
    (folder / "images" / "0").rename(folder / "images" / "7")
    (folder / "images" / "3").mkdir()
    with pytest.raises(
        ValueError, match="label 3, 7 is no class's index, since the classifier has 3"
    ):
        loaded(source())


def test_a_folder_that_names_no_class_is_refused(source, folder):
    (folder / "images" / "0").rename(folder / "images" / "red")
    with pytest.raises(ValueError, match=r"'red' is neither an index nor a name in classes.json"):
        loaded(source())


def test_as_many_images_of_a_class_are_read_as_asked_for(source):
    assert list(loaded(source(limit_per_class=1)).samples.counts()) == [1, 1, 1]


def test_cifar10_can_be_named_as_the_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "test.npz", images=images, labels=np.arange(20) % 10)
    torch.save(build("plain_cnn", num_classes=10).state_dict(), tmp_path / "model.pt")
    for place in (tmp_path, tmp_path / "test.npz"):
        source = FolderDataset(
            name="folder",
            model=str(tmp_path / "model.pt"),
            images=str(place),
            architecture="plain_cnn",
            factory=None,
            num_classes=None,
            weights=None,
            preprocess=FolderPreprocess(size=None, crop=None, mean=(), std=(), scaling="unit"),
            limit_per_class=1,
        )
        assert source.load("model").samples.counts() == [1] * 10
        before = source.fingerprint()
    np.savez(tmp_path / "test.npz", images=255 - images, labels=np.arange(20) % 10)
    assert source.fingerprint() != before


def test_folders_are_counted_as_they_are_said_to_be(source, folder):
    images = folder / "images"
    for label in (2, 1, 0):
        (images / str(label)).rename(images / str(label + 1))
    model = loaded(source(class_order="one_based"))
    assert model.classifier.accuracy(model.samples.images, model.samples.labels) == 1
    assert model.warnings == ()
    for path in (images / "2").iterdir():
        path.unlink()
    (images / "2").rmdir()
    with pytest.raises(ValueError, match=r"counted from 1, set dataset.class_order=one_based"):
        loaded(source())


def test_files_can_be_read_again_at_another_size(source):
    sized = FolderPreprocess(size=12, crop=None, mean=(), std=(), scaling="unit")
    files = loaded(source(preprocess=sized)).files
    assert files.geometry == sized.geometry
    assert files.read(files.geometry).images.shape == (6, 3, 12, 12)
    nearest = replace(files.geometry, interpolation="nearest", size=8)
    again = files.read(nearest)
    assert again.images.shape == (6, 3, 8, 8)
    assert again.labels.tolist() == [0, 0, 1, 1, 2, 2]


def named(folder, names):
    """The colours' folders renamed, in the order of their indices."""
    for index, name in enumerate(names):
        (folder / "images" / str(index)).rename(folder / "images" / name)


def test_folders_by_name_are_numbered_as_image_folder_does_and_accuracy_is_the_proof(
    source, folder
):
    named(folder, ("ant", "bee", "Cat"))
    wrong = loaded(source())
    assert wrong.samples.class_names == ("Cat", "ant", "bee")  # capitals come first in ASCII
    assert wrong.classifier.accuracy(wrong.samples.images, wrong.samples.labels) == 0
    assert "ImageFolder does: 0 Cat, 1 ant, 2 bee; if that is wrong" in wrong.warnings[0]
    (folder / "images" / "Cat").rename(folder / "images" / "cat")
    right = loaded(source())
    assert right.samples.class_names == ("ant", "bee", "cat")
    assert right.classifier.accuracy(right.samples.images, right.samples.labels) == 1


def test_folders_by_name_that_are_not_as_many_as_the_classes_are_refused(source, folder):
    named(folder, ("ant", "bee", "cat"))
    shutil.rmtree(folder / "images" / "bee")
    with pytest.raises(
        ValueError, match="since there are 2 and the classifier has 3 classes; name"
    ):
        loaded(source())


def test_folders_numbered_from_one_are_taken_and_said(source, folder):
    for index in (2, 1, 0):
        (folder / "images" / str(index)).rename(folder / "images" / str(index + 1))
    model = loaded(source())
    assert model.classifier.accuracy(model.samples.images, model.samples.labels) == 1
    assert "0 1, 1 2, 2 3; if that is wrong" in model.warnings[0]


def test_a_label_file_and_a_split_can_be_named_as_the_images(source, folder):
    lines = [
        "path,label",
        *(f"{label}/{index}.png,{label}" for label in range(3) for index in (0, 1)),
    ]
    (folder / "images").rename(folder / "val")
    (folder / "images").mkdir()
    (folder / "val").rename(folder / "images" / "val")
    assert loaded(source()).samples.counts() == [2, 2, 2]
    (folder / "images" / "val" / "labels.csv").write_text("\n".join(lines))
    model = loaded(source(images=str(folder / "images" / "val" / "labels.csv")))
    assert model.classifier.accuracy(model.samples.images, model.samples.labels) == 1
