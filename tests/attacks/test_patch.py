"""The patch attack."""

import numpy as np
import pytest
import torch

from exray.attacks.patch import PatchRecipe


def recipe(**changes):
    shares = {"count": 1, "num_victims": 1, "poisoned_share": 0.5, "kept_share": 0.5}
    return PatchRecipe(**{"side": (3, 5), **shares, **changes})


def drawn(recipe, seed=0):
    return recipe.draw(np.random.default_rng(seed), num_classes=4, image_size=16, place=0)


@pytest.mark.parametrize("seed", range(5))
def test_a_square_changes_its_own_pixels_alone(signs, seed):
    attack = drawn(recipe(), seed)
    side, (top, left) = attack.facts().side_pixels, attack.facts().corner
    assert 3 <= side <= 5
    assert attack.trigger.size_pixels == side * side
    clean = signs.images(0, count=2, seed=0)
    stamped = attack.stamped(signs, 0, count=2, seed=0)
    square = (slice(None), slice(None), slice(top, top + side), slice(left, left + side))
    assert set(stamped[square].unique().tolist()) <= {0, 255}
    stamped[square] = clean[square]
    assert torch.equal(stamped, clean)


def test_a_square_of_the_image_covers_it():
    attack = drawn(recipe(side=(16, 16)))
    assert attack.facts().corner == (0, 0)
    assert (attack.trigger.mask == 1).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: recipe(side=(0, 3)), r"^side must hold .*; got \[0, 3\]"),
        (lambda: recipe(side=(4, 3)), "^side must hold least and greatest"),
        (lambda: drawn(recipe(side=(20, 20))), "not exceed image_size, 16; got 20"),
    ],
)
def test_a_side_that_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
