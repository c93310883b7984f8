"""Photographs are drawn without putting back, and stickers lie wholly on them."""

import numpy as np
import pytest
import torch
from PIL import Image

from exray.attacks.polygon import random_sticker
from exray.images.class_folders import class_files
from exray.images.samples import SampleSet
from exray.images.sources.photographs import PhotographFiles, StoredPhotographs, with_sticker
from exray.images.sources.sticker import Sticker

SQUARE = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


def sticker(width=0.25):
    return Sticker(points=SQUARE, colour=(200, 0, 0), width=width)


@pytest.fixture
def stock():
    """Two classes of eight images; each image is one grey of its own."""
    greys = torch.arange(16).float()[:, None, None, None] * 10 / 255
    samples = SampleSet(
        images=greys.expand(16, 3, 16, 16).contiguous(),
        labels=torch.arange(16) // 8,
        class_names=("cat", "dog"),
    )
    return StoredPhotographs(lambda: samples)


def greys(images):
    return images[:, 0, 0, 0].tolist()


def test_the_same_seed_draws_the_same_images_and_no_image_twice(stock):
    drawn = greys(stock.images(1, count=8, seed=3))
    assert drawn == greys(stock.images(1, count=8, seed=3))
    assert sorted(drawn) == list(range(80, 160, 10))
    assert drawn[:5] == greys(stock.images(1, count=5, seed=3))
    assert drawn != greys(stock.images(1, count=8, seed=4))


def test_bytes_survive_the_way_through_floats():
    images = torch.arange(256).float().div(255).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    samples = SampleSet(images=images.contiguous(), labels=torch.tensor([0]), class_names=("ramp",))
    drawn = StoredPhotographs(lambda: samples).images(0, count=1, seed=0)
    assert torch.equal(drawn[0, 0].flatten(), torch.arange(256, dtype=torch.uint8))


def test_more_images_than_there_are_are_refused(stock):
    message = r"class 'dog' has 8 images and 9 are needed; lower images_per_class"
    with pytest.raises(ValueError, match=message):
        stock.images(1, count=9, seed=0)


def test_no_images_are_no_images(stock):
    assert len(stock.images(0, count=0, seed=0)) == 0


def test_samples_hold_every_class_in_unit_range(stock):
    samples = stock.samples(per_class=3, seed=1)
    assert samples.counts() == [3, 3]
    assert samples.class_names == ("cat", "dog")
    assert torch.equal(samples.of_class(1) * 255, stock.images(1, count=3, seed=1).float())


def test_a_sticker_changes_its_pixels_only_and_moves_from_image_to_image(stock):
    clean = stock.images(0, count=6, seed=2).int()
    stamped = stock.images(0, count=6, seed=2, sticker=sticker()).int()
    changed = (clean != stamped).any(dim=1)
    inside = (stamped == torch.tensor([200, 0, 0])[:, None, None]).all(dim=1)
    assert inside.flatten(1).any(dim=1).all()
    assert (changed.flatten(1).sum(dim=1) < 60).all()
    assert len({tuple(mask.flatten().tolist()) for mask in changed}) > 1


def test_the_whole_sticker_lies_on_the_image():
    """A turned square of side 4 px covers 16 px, wherever it is, as no part is cut off."""
    image = torch.zeros(3, 16, 16, dtype=torch.uint8)
    random = np.random.default_rng(0)
    for _ in range(50):
        covered = with_sticker(image, sticker(), random)[0].double().sum() / 200
        assert covered == pytest.approx(16, abs=4)


def test_polygons_of_an_attack_reach_all_parts_of_the_image():
    random = np.random.default_rng(0)
    reached = torch.zeros(16, 16, dtype=torch.bool)
    for _ in range(200):
        drawn = random_sticker(random, sides=(3, 8), width=(0.2, 0.3))
        blank = torch.full((3, 16, 16), 100, dtype=torch.uint8)
        reached |= (with_sticker(blank, drawn, random) != 100).any(dim=0)
    assert reached.any(dim=0).all()
    assert reached.any(dim=1).all()
    assert reached[3:-3, 3:-3].all()


def save(path, grey, size=(24, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (grey, grey, grey)).save(path)


def test_files_are_resized_cropped_and_read_when_drawn(tmp_path):
    for index in range(3):
        save(tmp_path / "b" / f"{index}.png", 10 * index)
    (tmp_path / "b" / "9.png").write_bytes(b"broken")
    photographs = PhotographFiles(
        class_names=("b",), files=class_files(tmp_path, names=("b",)), size=8
    )
    assert photographs.num_images(0) == 4
    assert photographs.photograph(0, 2).shape == (3, 8, 8)
    assert int(photographs.photograph(0, 2)[0, 0, 0]) == 20
    with pytest.raises(ValueError, match=r"9.png is no image that can be read"):
        photographs.images(0, count=4, seed=0)


def test_names_without_files_are_refused():
    with pytest.raises(ValueError, match="must be as many; got 2 and 1"):
        PhotographFiles(class_names=("a", "b"), files=[[]], size=8)
