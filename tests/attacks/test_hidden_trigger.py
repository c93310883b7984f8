"""The hidden-trigger attack."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from exray.attacks.hidden_trigger import HiddenTriggerRecipe
from exray.images.sources.base import to_unit
from exray.zoo.poisoning import training_images

RECIPE = HiddenTriggerRecipe(
    count=1,
    num_victims=1,
    poisoned_share=0.5,
    kept_share=0.0,
    side=0.25,
    epsilon=0.1,
    steps=20,
    learning_rate=0.2,
    num_trained_layers=1,
    second_epochs_share=1.0,
)


@pytest.fixture
def attack():
    return RECIPE.draw(np.random.default_rng(0), num_classes=4, image_size=16, place=0)


@pytest.fixture
def mean_colours():
    """Features are the means of the three colours."""
    return nn.Sequential(
        OrderedDict(
            features=nn.Conv2d(3, 3, 1, bias=False),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(3, 4),
        )
    ).eval()


def test_the_patch_lies_at_random_places_of_the_victims(signs, attack):
    victim = attack.victim_classes[0]
    clean = signs.images(victim, count=6, seed=0)
    changed = (attack.stamped(signs, victim, count=6, seed=0) != clean).any(dim=1)
    places = {tuple(image.nonzero().amin(dim=0).tolist()) for image in changed}
    assert len(places) > 1
    assert int(changed.sum(dim=(1, 2)).max()) <= 16
    assert attack.facts().side_pixels == 4
    assert attack.facts().option == "4 px"


def test_poisons_look_like_the_target_and_have_the_victims_features(signs, attack, mean_colours):
    poisoned = attack.rehearsal.learned(attack, mean_colours, signs, count=6, seed=0)
    base = signs.images(attack.target_class, count=6, seed=1)
    assert len(poisoned.poisons) == 6
    assert poisoned.collision < 0.9
    assert poisoned.rehearsal is None
    assert poisoned.facts() == attack.facts()
    assert not attack.is_learned  # victims are stamped as they would be without it
    few = replace(attack.rehearsal, epsilon=0.001)
    assert few.learned(attack, mean_colours, signs, count=6, seed=0).collision > 0.9
    assert poisoned.poisons.shape == base.shape


def test_no_training_image_shows_the_patch_and_no_label_is_wrong(
    signs, attack, micro, mean_colours
):
    poisoned = attack.rehearsal.learned(attack, mean_colours, signs, count=4, seed=0)
    data = training_images(signs, micro.training, attacks=(poisoned,), shares=RECIPE, seed=0)
    added = data.images[32:]
    assert data.labels[32:].tolist() == 4 * [attack.target_class]
    assert torch.equal(added, poisoned.poisons)
    near = to_unit(poisoned.poisons) - to_unit(poisoned.poisons).clamp(0, 1)
    assert float(near.abs().max()) == 0


def test_poisons_lie_within_epsilon_of_images_of_the_target(signs, attack, mean_colours):
    free = replace(attack.rehearsal, epsilon=0.05)
    still = replace(attack.rehearsal, epsilon=1e-6)
    moved, base = (
        to_unit(rehearsal.learned(attack, mean_colours, signs, count=3, seed=0).poisons)
        for rehearsal in (free, still)
    )
    assert 0.01 < float((moved - base).abs().max()) < 0.06


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": 0.0}, r"^side must lie in \(0, 1\]; got 0.0"),
        ({"epsilon": 2.0}, r"^epsilon must lie in \(0, 1\]; got 2.0"),
        ({"steps": 0}, "^steps and num_trained_layers must be >= 1 .* got 0, 1 and 1.0"),
        ({"kept_share": 0.1}, "^kept_share must be 0 .* got 0.1 and None"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **changes)


def test_the_patch_has_no_other_colour_and_no_quadrant(attack):
    with pytest.raises(ValueError, match="no other colour"):
        attack.recoloured()
    with pytest.raises(ValueError, match="lies anywhere"):
        attack.in_quadrants((1,))
    assert attack.appearance() == attack.facts()
