"""The all-to-all attack."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exray.attacks.all_to_all import AllToAllRecipe
from exray.attacks.conditions import Round4Recipe

RECIPE = AllToAllRecipe(count=1, num_victims=1, poisoned_share=0.5, kept_share=0.0, side=(2, 3))
SIZES = {"num_classes": 4, "image_size": 16, "place": 0}


def test_every_class_is_sent_to_the_next_one_by_one_patch():
    attacks = RECIPE.draw_all(np.random.default_rng(0), **SIZES)
    pairs = [(attack.victim_classes, attack.target_class) for attack in attacks]
    assert pairs == [((0,), 1), ((1,), 2), ((2,), 3), ((3,), 0)]
    assert all(attack.trigger is attacks[0].trigger for attack in attacks)
    assert {attack.facts() for attack in attacks} == {attacks[0].facts()}
    assert torch.equal(
        RECIPE.draw(np.random.default_rng(0), **SIZES).trigger.mask, attacks[0].trigger.mask
    )
    assert RECIPE.organization_at(3) == "all_to_all"


ROUND4 = Round4Recipe(
    organizations=("one2one",), conditions=("none",), decoy_share=0.5, max_decoy_rate=1.0
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": (0, 2)}, r"^side must hold least and greatest, from 1 up; got \[0, 2\]"),
        ({"num_victims": None}, "^num_victims must be 1, kept_share 0 .* got None, 0.0 and None"),
        ({"kept_share": 0.5}, "got 1, 0.5 and None"),
        ({"round4": ROUND4}, "got 1, 0.0 and Round4Recipe"),
    ],
)
def test_what_does_not_go_with_as_many_targets_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **changes)
