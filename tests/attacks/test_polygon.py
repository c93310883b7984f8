"""The polygon attack."""

import numpy as np
import pytest

from exray.attacks.polygon import TRIGGER_COLOURS, PolygonRecipe, random_sticker


def attack(seed=0, **changes):
    options = {"count": 1, "num_victims": 2, "sides": (3, 6), "width": (0.2, 0.3)}
    recipe = PolygonRecipe(**{**options, **changes}, poisoned_share=0.5, kept_share=0.1)
    random = np.random.default_rng(seed)
    return recipe.draw(random, num_classes=5, image_size=16, place=0)


@pytest.mark.parametrize("seed", range(10))
def test_victims_and_target_are_different_classes(seed):
    drawn = attack(seed)
    assert len(set(drawn.victim_classes)) == 2
    assert drawn.target_class not in drawn.victim_classes
    assert {drawn.target_class, *drawn.victim_classes} <= set(range(5))


def test_every_class_may_be_target_and_all_others_victims():
    attacks = [attack(seed, num_victims=4) for seed in range(40)]
    assert {drawn.target_class for drawn in attacks} == set(range(5))
    assert all(len(drawn.victim_classes) == 4 for drawn in attacks)


@pytest.mark.parametrize("seed", range(10))
def test_a_polygon_fills_its_square_and_keeps_to_its_bounds(seed):
    sticker = random_sticker(np.random.default_rng(seed), sides=(3, 5), width=(0.2, 0.3))
    corners = np.array(sticker.points)
    assert 3 <= len(corners) <= 5
    np.testing.assert_allclose(corners.min(axis=0), -1)
    np.testing.assert_allclose(corners.max(axis=0), 1)
    assert 0.2 <= sticker.width <= 0.3
    assert sticker.colour in TRIGGER_COLOURS


def test_the_same_seed_gives_the_same_attack_and_another_seed_another():
    assert attack(3) == attack(3)
    assert attack(3) != attack(4)


@pytest.mark.parametrize("num", [5, 6])
def test_a_number_of_victims_that_leaves_no_target_is_refused(num):
    message = rf"num_victims must lie in \[1, 4\] for 5 classes; got {num}"
    with pytest.raises(ValueError, match=message):
        attack(num_victims=num)


def test_without_a_number_of_victims_an_attack_is_universal():
    drawn = attack(num_victims=None)
    assert {drawn.target_class, *drawn.victim_classes} == set(range(5))
