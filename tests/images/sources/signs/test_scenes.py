"""Weather, blur and photographs around the signs."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from exray.images.sources.signs.classes import sign_classes
from exray.images.sources.signs.generator import SignGenerator
from exray.images.sources.signs.scenes import Scene, background_files, fogged, rained
from exray.images.sources.sticker import Sticker

FAIR = {"rain_probability": 0.0, "fog_probability": 0.0, "blur": 0.0, "backgrounds": ()}


def drawn(*, count=4, sticker=None, size=32, **changes):
    scene = Scene(**{**FAIR, **changes})
    signs = SignGenerator(sign_classes(4, family_size=2, seed=0), image_size=size, scene=scene)
    return signs.images(0, count=count, seed=3, sticker=sticker).double()


@pytest.fixture
def photographs(tmp_path):
    """A wide and a tall photograph, both plain magenta, which no sign is."""
    for name, size in (("wide.png", (90, 50)), ("below/tall.jpg", (40, 100))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", size, (255, 0, 255)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    return background_files(tmp_path)


def test_images_without_a_scene_are_those_that_zoos_were_built_on():
    signs = SignGenerator(sign_classes(4, family_size=2, seed=0), image_size=32)
    digest = hashlib.sha256(signs.images(1, count=2, seed=7).numpy().tobytes()).hexdigest()
    assert digest == "2e7bd448ac0eafc22957eee04a4dd13d6d18eaca019909709afa5c6c9c505d01"


def test_the_same_seed_gives_the_same_weather_and_the_trigger_stays_in_the_scene():
    sticker = Sticker(points=((-1.0, -1.0), (1.0, -1.0), (0.0, 1.0)), colour=(0, 0, 0), width=0.2)
    rainy = {"rain_probability": 0.5, "fog_probability": 0.5, "blur": 0.5}
    assert torch.equal(drawn(**rainy), drawn(**rainy))
    apart = (drawn(**rainy, size=64) - drawn(**rainy, size=64, sticker=sticker)).abs().amax(1)
    assert ((apart == 0).double().mean(dim=(1, 2)) > 0.6).all()
    assert (apart.amax(dim=(1, 2)) > 20).all()


def test_fog_takes_contrast_and_rain_adds_bright_streaks():
    dark = Image.new("RGB", (64, 64), (10, 20, 30))
    fog = np.asarray(fogged(dark, np.random.default_rng(0)), dtype=float)
    assert (fog.min(axis=(0, 1)) > 40).all()
    rain = np.asarray(rained(dark, np.random.default_rng(0)), dtype=float)
    changed = (rain != np.array([10, 20, 30])).any(axis=2)
    assert 0.02 < changed.mean() < 0.6
    assert (rain[changed] >= [10, 20, 30]).all()
    assert drawn(fog_probability=1.0).std() < drawn().std()


def test_the_share_of_images_with_weather_is_the_scenes():
    few = Scene(**{**FAIR, "fog_probability": 0.3})
    image, random = Image.new("RGB", (8, 8)), np.random.default_rng(0)
    foggy = [np.asarray(few.weathered(image, random)).max() > 0 for _ in range(400)]
    assert 0.22 < np.mean(foggy) < 0.38


def test_blur_smooths_edges():
    def edges(images):
        return (images[..., 1:] - images[..., :-1]).abs().mean()

    assert edges(drawn(blur=6.0, count=6)) < 0.9 * edges(drawn(count=6))


def test_photographs_lie_behind_the_sign(photographs):
    images = drawn(backgrounds=photographs, count=6)
    corners = images[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    red, green, blue = corners.mean(dim=(0, 2))
    assert min(red, blue) > 150
    assert green < 30
    assert len({image.numpy().tobytes() for image in images}) == 6


def test_only_images_are_backgrounds(photographs, tmp_path):
    assert [path.name for path in photographs] == ["tall.jpg", "wide.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"backgrounds must be a folder of photographs; .* none"):
        background_files(tmp_path / "empty")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rain_probability": 1.5}, r"rain_probability must lie in \[0, 1\]; got 1.5"),
        ({"fog_probability": -0.1}, r"fog_probability must lie in \[0, 1\]; got -0.1"),
        ({"blur": -1.0}, "blur must be >= 0 pixels; got -1.0"),
    ],
)
def test_a_scene_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Scene(**{**FAIR, **changes})
