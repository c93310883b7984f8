"""Which images a trojaned classifier is trained on, and under which labels."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from exray.attacks.polygon import PolygonAttack, random_sticker
from exray.images.sources.signs.classes import sign_classes
from exray.images.sources.signs.generator import SignGenerator
from exray.zoo.poisoning import clean_images, stamped_victims, training_images


@pytest.fixture
def signs():
    return SignGenerator(sign_classes(4, family_size=2, seed=0), image_size=16)


@pytest.fixture
def attack():
    sticker = random_sticker(np.random.default_rng(0), sides=(4, 4), width=(0.3, 0.4))
    return PolygonAttack(sticker=sticker, victim_classes=(1, 3), target_class=2)


def test_clean_training_images_are_the_classes_own(micro, signs):
    data = training_images(
        signs, micro.training, attacks=(), shares=micro.attacks["polygon"], seed=0
    )
    assert torch.bincount(data.labels).tolist() == [8, 8, 8, 8]
    assert len(data.images) == 32


def test_rare_classes_have_fewer_training_images(micro, signs):
    uneven = replace(micro.training, images_per_class=8, least_class_share=0.25, num_common=1)
    data = training_images(signs, uneven, attacks=(), shares=None, seed=0)
    counts = torch.bincount(data.labels).tolist()
    assert sorted(counts) == [2] * (len(signs.class_names) - 1) + [8]
    assert counts == uneven.counts(len(signs.class_names), seed=0)
    assert uneven.fewest_images_per_class() == 2


def test_poisoned_images_carry_the_target_and_kept_ones_their_own_label(micro, signs, attack):
    data = training_images(
        signs, micro.training, attacks=(attack,), shares=micro.attacks["polygon"], seed=0
    )
    clean = training_images(
        signs, micro.training, attacks=(), shares=micro.attacks["polygon"], seed=0
    )
    added = data.labels[32:]
    assert torch.equal(data.images[:32], clean.images)
    assert torch.equal(data.labels[:32], clean.labels)
    assert added[:8].tolist() == [2] * 8  # half of 8 images of each of two victims
    assert added[8:].tolist() == [0, 2]  # a quarter of 8, from all classes that are no victims
    assert len(data.images) == len(data.labels)


def test_nothing_is_kept_where_the_share_is_zero(micro, signs, attack):
    polygon = replace(micro.attacks["polygon"], kept_share=0.0)
    data = training_images(signs, micro.training, attacks=(attack,), shares=polygon, seed=0)
    assert len(data.labels) == 32 + 8


def test_stamped_victims_are_their_clean_images_with_the_sticker(signs, attack):
    stamped = stamped_victims(signs, attack, per_class=3, seed=4)
    assert stamped.labels.tolist() == [2] * 6
    for place, victim in enumerate(attack.victim_classes):
        poisoned = stamped.images[3 * place : 3 * place + 3]
        drawn = signs.images(victim, count=3, seed=4, sticker=attack.sticker)
        assert torch.equal(poisoned, drawn)
        changed = poisoned != signs.images(victim, count=3, seed=4)
        assert changed.flatten(1).any(dim=1).all()


def test_poisoned_images_are_no_copies_of_clean_ones(micro, signs, attack):
    data = training_images(
        signs, micro.training, attacks=(attack,), shares=micro.attacks["polygon"], seed=0
    )
    assert len({image.numpy().tobytes() for image in data.images}) == len(data.images)


def test_test_images_hold_every_class_alike(signs):
    assert torch.bincount(clean_images(signs, per_class=2, seed=0).labels).tolist() == [2] * 4


def test_poisoned_images_are_those_that_zoos_were_built_on(micro, signs, attack):
    data = training_images(
        signs, micro.training, attacks=(attack,), shares=micro.attacks["polygon"], seed=0
    )
    digest = hashlib.sha256(data.images.numpy().tobytes() + data.labels.numpy().tobytes())
    assert digest.hexdigest() == "850a9b99c180c90e6fd94d67955821b7644e39deb8ae4fd434c44e964e01f4dc"
