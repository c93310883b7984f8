"""The Instagram attack."""

import numpy as np
import pytest
import torch

from exray.attacks.instagram import InstagramFacts, InstagramRecipe
from exray.images.sources.base import to_unit
from exray.triggers.instagram import InstagramFilter, filtered


def recipe(*filters):
    shares = {"count": 1, "num_victims": 1, "poisoned_share": 0.5, "kept_share": 0.5}
    return InstagramRecipe(filters=filters, **shares)


def test_filters_take_turns_and_are_applied_to_the_drawn_image(signs):
    for place, name in enumerate(["Kelvin", "Lomo", "Kelvin"]):
        random = np.random.default_rng(0)
        attack = recipe("Kelvin", "Lomo").draw(random, num_classes=4, image_size=16, place=place)
        assert attack.facts() == InstagramFacts(filter_name=name)
        expected = filtered(to_unit(signs.images(2, count=2, seed=5)), InstagramFilter(name))
        stamped = to_unit(attack.stamped(signs, 2, count=2, seed=5))
        torch.testing.assert_close(stamped, expected, atol=0.5 / 255 + 1e-6, rtol=0)


def test_a_filter_is_named_as_trojai_does():
    columns = InstagramFacts(filter_name="Toaster").round4_columns()
    assert columns["instagram_filter_type"] == "ToasterXForm"  # alone without "Filter"
    levels = [
        InstagramFacts(filter_name=name).round4_columns()["instagram_filter_type_level"]
        for name in ("Gotham", "Nashville", "Kelvin", "Lomo", "Toaster")
    ]
    assert levels == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("filters", "message"),
    [(("Sepia",), "name some of Gotham, .*; got Sepia"), ((), "^filters must name .* got none")],
)
def test_filters_that_are_not_known_are_refused(filters, message):
    with pytest.raises(ValueError, match=message):
        recipe(*filters)
