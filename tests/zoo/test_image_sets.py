"""The images of a zoo's classifiers."""

from dataclasses import replace

import torch

from exray.images.sources.signs.classes import sign_classes
from exray.zoo.image_sets import SIGN_IMAGES, ImageFacts, SignImages
from exray.zoo.scene_recipe import SceneRecipe

FAIR = SceneRecipe(rain=None, fog=None, blur=0.0, backgrounds=None)
FACTS = ImageFacts(num_classes=4, family_size=2, image_size=32, seed=5)


def test_images_have_the_scenes_that_are_told(roads):
    plain, scenic = SIGN_IMAGES, SignImages(scenes=replace(FAIR, backgrounds=str(roads)))
    images = scenic.of_model(FACTS, split="train").images(0, count=2, seed=0)
    before = plain.of_model(FACTS, split="train").images(0, count=2, seed=0)
    assert not torch.equal(images, before)
    assert scenic.scene_facts(FACTS).backgrounds == "roads"
    assert plain.scene_facts(FACTS) is None


def test_a_classifiers_seed_decides_its_classes_and_both_splits_share_them():
    train, test = (SIGN_IMAGES.of_model(FACTS, split=split) for split in ("train", "test"))
    images = train.images(1, count=2, seed=0)
    assert images.shape == (2, 3, 32, 32)
    assert torch.equal(images, test.images(1, count=2, seed=0))
    other = SIGN_IMAGES.of_model(replace(FACTS, seed=6), split="train")
    assert not torch.equal(images, other.images(1, count=2, seed=0))
    expected = sign_classes(4, family_size=2, seed=5)
    assert tuple(train.class_names) == tuple(sign.name for sign in expected)


def test_signs_in_fair_weather_need_no_description():
    assert SIGN_IMAGES.description() == {}
    described = SignImages(scenes=FAIR).description()
    assert described["images"]["dataset"] == "signs"
