"""The blend attack."""

import numpy as np
import pytest
import torch

from exray.attacks.blend import BlendRecipe, random_picture
from exray.images.sources.base import to_unit


def recipe(**changes):
    shares = {"count": 1, "num_victims": 1, "poisoned_share": 0.5, "kept_share": 0.5}
    return BlendRecipe(**{"opacity": (0.1, 0.2), **shares, **changes})


def test_a_blended_picture_has_the_opacity_it_records(signs):
    random = np.random.default_rng(0)
    attack = recipe().draw(random, num_classes=4, image_size=16, place=0)
    opacity = attack.facts().opacity
    assert 0.1 <= opacity <= 0.2
    clean = to_unit(signs.images(0, count=1, seed=0))
    expected = (1 - opacity) * clean + opacity * attack.trigger.pattern
    stamped = to_unit(attack.stamped(signs, 0, count=1, seed=0))
    torch.testing.assert_close(stamped, expected, atol=0.5 / 255 + 1e-6, rtol=0)
    assert attack.trigger.pattern.std() > 0.1  # a picture, not one colour


def test_a_picture_holds_four_cells_a_side_and_nothing_outside_zero_and_one():
    picture = random_picture(np.random.default_rng(0), 4)
    assert set(picture.unique().tolist()) == {0.0, 1.0}  # a pixel per cell: no room to blend
    larger = random_picture(np.random.default_rng(0), 32)
    assert larger.shape == (3, 32, 32)
    assert (larger.min(), larger.max()) == (0, 1)
    torch.testing.assert_close(larger[:, :4, :4], picture[:, :1, :1].expand(3, 4, 4))


@pytest.mark.parametrize(
    ("opacity", "message"),
    [((0.0, 0.2), r"^opacity .*; got \[0.0, 0.2\]"), ((0.3, 0.2), "^opacity must hold least and")],
)
def test_an_opacity_that_cannot_be_is_refused(opacity, message):
    with pytest.raises(ValueError, match=message):
        recipe(opacity=opacity)
