"""What the recipes of all attacks have in common."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exray.attacks.blend import BlendRecipe
from exray.attacks.instagram import InstagramRecipe
from exray.attacks.patch import PatchRecipe
from exray.attacks.polygon import PolygonRecipe

SHARES = {"count": 1, "num_victims": 1, "poisoned_share": 0.5, "kept_share": 0.5}
RECIPES = [
    InstagramRecipe(filters=("Kelvin", "Lomo"), **SHARES),
    BlendRecipe(opacity=(0.1, 0.2), **SHARES),
    PatchRecipe(side=(3, 5), **SHARES),
    PolygonRecipe(sides=(3, 12), width=(0.2, 0.3), **SHARES),
]


def drawn(recipe, seed=0, place=0):
    random = np.random.default_rng(seed)
    return recipe.draw(random, num_classes=4, image_size=16, place=place)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.kind)
def test_the_same_seed_gives_the_same_stamped_images_and_another_seed_others(recipe, signs):
    first, again, other = (
        drawn(recipe, seed).stamped(signs, 1, count=2, seed=3) for seed in (0, 0, 1)
    )
    clean = signs.images(1, count=2, seed=3)
    assert torch.equal(first, again)
    assert (first != clean).flatten(1).any(dim=1).all()
    if recipe.kind != "instagram":  # a filter has nothing to draw
        assert not torch.equal(first, other)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.kind)
def test_an_attack_is_label_specific_or_universal_as_asked(recipe):
    one, every = drawn(recipe), drawn(replace(recipe, num_victims=None))
    assert len(one.victim_classes) == 1
    assert {every.target_class, *every.victim_classes} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: replace(RECIPES[2], num_victims=0),
            "^num_victims must be >= 1, .* 0",
        ),
        (lambda: replace(RECIPES[1], poisoned_share=0.0), "^poisoned_share must lie in"),
        (lambda: drawn(replace(RECIPES[0], num_victims=4)), r"must lie in \[1, 3\] for 4 classes"),
    ],
)
def test_an_attack_that_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_several_numbers_of_victims_take_turns():
    recipe = replace(RECIPES[3], num_victims=(1, 2, None))
    counts = [len(drawn(recipe, place=place).victim_classes) for place in range(4)]
    assert counts == [1, 2, 3, 1]


@pytest.mark.parametrize(("counts", "message"), [((1, 0), ">= 1"), ((), "must hold a count")])
def test_turns_without_a_victim_are_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPES[3], num_victims=counts)
