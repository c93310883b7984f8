"""Zoos of photographs: built and scanned by the same loop as zoos of signs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from exray.datasets.photo_zoos import Cifar10Images, FolderImages, cifar10_zoo, image_folder_zoo
from exray.datasets.zoo import open_zoo
from exray.errors import RecordError
from exray.images.cifar10.reader import read_cifar10
from exray.zoo.build import build_zoo
from exray.zoo.image_sets import SIGN_IMAGES, ImageFacts

pytestmark = pytest.mark.usefixtures("one_thread")
FACTS = ImageFacts(num_classes=10, family_size=1, image_size=32, seed=0)


def save_batch(path, *, per_class, seed):
    """A binary batch whose classes differ in brightness."""
    random = np.random.default_rng(seed)
    records = [
        bytes([label]) + random.integers(20 * label, 20 * label + 40, 3072, np.uint8).tobytes()
        for label in np.arange(10).repeat(per_class).tolist()
    ]
    path.write_bytes(b"".join(records))


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    root = tmp_path_factory.mktemp("cifar")
    save_batch(root / "data_batch_1.bin", per_class=12, seed=0)
    save_batch(root / "test_batch.bin", per_class=8, seed=1)
    return root


@pytest.fixture
def ten(micro):
    """The micro recipe for CIFAR-10."""
    return replace(micro, num_classes=10, family_sizes=(1,))


def build(recipe, root, images):
    return build_zoo(
        recipe, root, workers=1, accelerator="cpu", on_model=lambda _: None, images=images
    )


def bytes_of(images):
    return {(image * 255).round().to(torch.uint8).numpy().tobytes() for image in images}


def test_training_draws_from_the_training_images_and_scans_from_the_test_images(cifar):
    images = Cifar10Images(cifar)
    for split in ("train", "test"):
        stored = bytes_of(read_cifar10(cifar, split=split, limit_per_class=None).images)
        drawn = bytes_of(images.of_model(FACTS, split=split).samples(per_class=8, seed=0).images)
        assert len(drawn) == 80
        assert drawn <= stored


def test_a_zoo_of_cifar10_is_built_and_scanned(cifar, ten, tmp_path):
    images = Cifar10Images(cifar)
    manifest = build(ten, tmp_path, images)
    clean, trojaned = manifest.models
    assert clean.class_names[3] == trojaned.class_names[3] == "cat"
    assert (clean.is_trojaned, trojaned.is_trojaned) == (False, True)
    assert trojaned.attack.num_poisoned == 4
    assert manifest.recipe["images"]["dataset"] == "cifar10"
    assert str(cifar) not in (tmp_path / "manifest.json").read_text()
    source = cifar10_zoo(name="cifar10", root=str(cifar), zoo=str(tmp_path), recipe=ten)
    loaded = source.load("id-00000001")
    assert loaded.warnings == ()
    assert loaded.samples.counts() == [2] * 10
    test_images = bytes_of(read_cifar10(cifar, split="test", limit_per_class=None).images)
    assert bytes_of(loaded.samples.images) <= test_images
    assert loaded.classifier.predict(loaded.samples.images).shape == (20, 10)
    again = open_zoo(tmp_path, images=images)
    assert again.recipe == ten
    assert torch.equal(again.load("id-00000001").samples.images, loaded.samples.images)


def test_other_images_than_the_zoos_are_another_run_and_are_said(cifar, ten, tmp_path):
    root, other = tmp_path / "zoo", tmp_path / "other"
    recipe = replace(ten, attacks={})
    build(recipe, root, Cifar10Images(cifar))
    other.mkdir()
    save_batch(other / "data_batch_1.bin", per_class=12, seed=5)
    save_batch(other / "test_batch.bin", per_class=8, seed=6)
    known, foreign = (
        cifar10_zoo(name="cifar10", root=str(folder), zoo=str(root), recipe=recipe)
        for folder in (cifar, other)
    )
    assert known.fingerprint() != foreign.fingerprint()
    (warning,) = foreign.load("id-00000000").warnings
    assert "are not the ones that its classifiers were built on" in warning
    with pytest.raises(RecordError, match=r"is of another recipe \(it differs in images\)"):
        build(recipe, root, Cifar10Images(other))


def test_a_zoo_that_inherits_its_file_still_asks_for_the_images(ten, tmp_path):
    with pytest.raises(ValueError, match=r"dataset.root must be given: dataset.root=DIR"):
        cifar10_zoo(name="zoos_cifar10", root=None, zoo=str(tmp_path), recipe=ten)


def test_a_copy_of_the_images_elsewhere_is_the_same(cifar, tmp_path):
    for file in cifar.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert Cifar10Images(tmp_path).description() == Cifar10Images(cifar).description()
    assert SIGN_IMAGES.description() == {}


@pytest.mark.parametrize(("name", "value"), [("num_classes", 8), ("image_size", 64)])
def test_a_recipe_that_is_none_of_cifar10_is_refused(cifar, name, value):
    message = r"num_classes must be 10 and image_size 32; got (8 and 32|10 and 64)"
    with pytest.raises(ValueError, match=message):
        Cifar10Images(cifar).of_model(replace(FACTS, **{name: value}), split="train")


def test_a_folder_without_both_splits_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must be a folder with CIFAR-10; .* is none"):
        Cifar10Images(tmp_path / "none")
    save_batch(tmp_path / "data_batch_1.bin", per_class=1, seed=0)
    with pytest.raises(ValueError, match="holds no test images of CIFAR-10; give the binary ver"):
        Cifar10Images(tmp_path)


def test_the_python_version_is_refused_unopened_and_the_binary_one_named(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    message = r"Python version, whose pickles are never opened; give the binary version \(cifar-10-"
    with pytest.raises(ValueError, match=message):
        Cifar10Images(tmp_path)


@pytest.fixture
def photos(tmp_path):
    """Three classes of photographs of different sizes, as ImageNet is unpacked."""
    random = np.random.default_rng(0)
    for split, count in (("train", 10), ("val", 8)):
        for place, name in enumerate(("n01", "n02", "n10")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                size = (40 + 4 * index, 36, 3)
                pixels = random.integers(80 * place, 80 * place + 60, size, np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path / "photos"


def test_a_zoo_of_an_image_folder_is_built_and_scanned(photos, micro, tmp_path):
    root = tmp_path / "zoo"
    manifest = build(micro, root, FolderImages(photos))
    assert manifest.models[0].class_names == ("n01", "n02", "n10")
    assert manifest.recipe["images"]["dataset"] == "image_folder"
    source = image_folder_zoo(name="photos", root=str(photos), zoo=str(root), recipe=micro)
    loaded = source.load("id-00000001")
    assert loaded.samples.images.shape == (6, 3, 32, 32)
    assert loaded.warnings == ()


def test_an_image_folder_of_other_classes_is_refused(photos):
    with pytest.raises(ValueError, match=r"holds 3 classes, and .*num_classes is 10; make it 3"):
        FolderImages(photos).of_model(FACTS, split="train")


def test_an_image_folder_without_a_split_is_refused(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match=r"must hold the folders train and test \(or val\)"):
        FolderImages(tmp_path)
