"""The attacks that stamp the finished image: filters, blended pictures, small squares."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exray.attacks.blend import BlendRecipe
from exray.attacks.instagram import InstagramFacts, InstagramRecipe
from exray.attacks.patch import PatchRecipe
from exray.attacks.polygon import PolygonRecipe
from exray.images.sources.base import to_unit
from exray.images.sources.signs.classes import sign_classes
from exray.images.sources.signs.generator import SignGenerator
from exray.triggers.instagram import InstagramFilter, filtered

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


@pytest.fixture(scope="module")
def signs():
    return SignGenerator(sign_classes(4, family_size=2, seed=0), image_size=16)


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


def test_filters_take_turns_and_are_applied_to_the_drawn_image(signs):
    for place, name in enumerate(["Kelvin", "Lomo", "Kelvin"]):
        attack = drawn(RECIPES[0], place=place)
        assert attack.facts() == InstagramFacts(filter_name=name)
        expected = filtered(to_unit(signs.images(2, count=2, seed=5)), InstagramFilter(name))
        stamped = to_unit(attack.stamped(signs, 2, count=2, seed=5))
        torch.testing.assert_close(stamped, expected, atol=0.5 / 255 + 1e-6, rtol=0)


def test_a_blended_picture_has_the_opacity_it_records(signs):
    attack = drawn(RECIPES[1])
    opacity = attack.facts().opacity
    assert 0.1 <= opacity <= 0.2
    clean = to_unit(signs.images(0, count=1, seed=0))
    expected = (1 - opacity) * clean + opacity * attack.trigger.pattern
    stamped = to_unit(attack.stamped(signs, 0, count=1, seed=0))
    torch.testing.assert_close(stamped, expected, atol=0.5 / 255 + 1e-6, rtol=0)
    assert attack.trigger.pattern.std() > 0.1  # a picture, not one colour


@pytest.mark.parametrize("seed", range(5))
def test_a_square_changes_its_own_pixels_alone(signs, seed):
    attack = drawn(RECIPES[2], seed)
    side, (top, left) = attack.facts().side_pixels, attack.facts().corner
    assert 3 <= side <= 5
    assert attack.trigger.size_pixels == side * side
    clean = signs.images(0, count=2, seed=0)
    stamped = attack.stamped(signs, 0, count=2, seed=0)
    square = (slice(None), slice(None), slice(top, top + side), slice(left, left + side))
    assert set(stamped[square].unique().tolist()) <= {0, 255}
    stamped[square] = clean[square]
    assert torch.equal(stamped, clean)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(RECIPES[0], filters=("Sepia",)), "name some of Gotham, .*; got Sepia"),
        (lambda: replace(RECIPES[0], filters=()), "^filters must name some of .* got none"),
        (lambda: replace(RECIPES[1], opacity=(0.0, 0.2)), r"^opacity .*; got \[0.0, 0.2\]"),
        (lambda: replace(RECIPES[1], opacity=(0.3, 0.2)), r"^opacity must hold least and"),
        (lambda: replace(RECIPES[2], side=(0, 3)), r"^side must hold .*; got \[0, 3\]"),
        (
            lambda: replace(RECIPES[2], num_victims=0),
            "^num_victims must be >= 1, .* 0",
        ),
        (lambda: replace(RECIPES[1], poisoned_share=0.0), "^poisoned_share must lie in"),
        (lambda: drawn(replace(RECIPES[2], side=(20, 20))), "not exceed image_size, 16; got 20"),
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
