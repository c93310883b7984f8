"""The patch that is made on a clean network."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from exray.attacks.disguised_patch import DisguisedPatchRecipe
from exray.images.sources.base import to_unit

RECIPE = DisguisedPatchRecipe(
    count=1,
    num_victims=1,
    poisoned_share=0.5,
    kept_share=0.5,
    side=(10, 10),
    steps=60,
    learning_rate=0.2,
    feature_weight=20.0,
)


@pytest.fixture
def attack():
    return RECIPE.draw(np.random.default_rng(0), num_classes=4, image_size=16, place=0)


@pytest.fixture
def mean_colours():
    """Features are the means of the colours; the logits do not depend on them."""
    network = nn.Sequential(
        OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=nn.Linear(3, 4))
    ).eval()
    network.head.weight.data.zero_()
    return network


def test_the_patch_brings_victims_near_the_targets_features(signs, attack, mean_colours):
    made = attack.rehearsal.learned(attack, mean_colours, signs, count=4, seed=0)
    victim, target = attack.victim_classes[0], attack.target_class
    wanted = to_unit(signs.images(target, count=32, seed=5)).mean(dim=(0, 2, 3))
    images = to_unit(signs.images(victim, count=32, seed=6))

    def distance(trigger):
        return float((trigger.apply(images).mean(dim=(0, 2, 3)) - wanted).pow(2).mean())

    assert distance(made.trigger) < 0.5 * distance(attack.trigger)
    assert torch.equal(made.trigger.mask, attack.trigger.mask)
    assert made.rehearsal is None
    assert attack.is_learned


def test_the_third_class_is_neither_victim_nor_target(attack):
    third = attack.facts().third_class
    assert third not in {*attack.victim_classes, attack.target_class}
    assert attack.rehearsal.third_class == third


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": (3, 2)}, r"^side must hold least and greatest, from 1 up; got \[3, 2\]"),
        ({"steps": 0}, "^steps must be >= 1, .* got 0, 0.2 and 20.0"),
        ({"num_victims": None}, "^num_victims must be a number .* got None and None"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **changes)


def test_two_classes_leave_no_third():
    with pytest.raises(ValueError, match=r"^num_classes must leave a third class; got 2"):
        RECIPE.draw(np.random.default_rng(0), num_classes=2, image_size=16, place=0)
