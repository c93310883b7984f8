"""Two triggers a model, and triggers that fire under a condition alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exray.attacks.blend import BlendRecipe
from exray.attacks.conditions import Round4Recipe
from exray.attacks.instagram import InstagramRecipe
from exray.attacks.polygon import TRIGGER_COLOURS, PolygonRecipe
from exray.images.sources.photographs import with_sticker
from exray.images.sources.signs.classes import sign_classes
from exray.images.sources.signs.generator import SignGenerator
from exray.images.sources.sticker import Sticker

SHARES = {"count": 1, "num_victims": 1, "poisoned_share": 0.5, "kept_share": 0.5}
POLYGON = PolygonRecipe(sides=(3, 12), width=(0.2, 0.3), **SHARES)
FILTERS = InstagramRecipe(filters=("Kelvin", "Lomo"), **SHARES)
BLEND = BlendRecipe(opacity=(0.1, 0.2), **SHARES)


def round4(organizations=("one2one",), conditions=("none",), **changes):
    bars = {"decoy_share": 0.5, "max_decoy_rate": 0.2, **changes}
    return Round4Recipe(organizations=organizations, conditions=conditions, **bars)


def drawn(recipe, *, seed=0, place=0, num_classes=5):
    random = np.random.default_rng(seed)
    return recipe.draw_all(random, num_classes=num_classes, image_size=16, place=place)


@pytest.mark.parametrize("recipe", [POLYGON, FILTERS], ids=lambda recipe: recipe.kind)
def test_without_round_4_there_is_the_one_attack_that_was_always_drawn(recipe):
    one = recipe.draw(np.random.default_rng(3), num_classes=5, image_size=16, place=0)
    assert drawn(recipe, seed=3) == (one,)
    plain = replace(recipe, round4=round4())
    assert drawn(plain, seed=3) == (one,)  # no condition, one trigger


@pytest.mark.parametrize("seed", range(6))
def test_a_pair_has_four_classes_and_two_looks(seed):
    first, second = drawn(replace(POLYGON, round4=round4(("pair-one2one",))), seed=seed)
    classes = [*first.victim_classes, first.target_class]
    classes += [*second.victim_classes, second.target_class]
    assert len(set(classes)) == 4
    assert first.sticker.colour != second.sticker.colour


@pytest.mark.parametrize("recipe", [POLYGON, FILTERS, BLEND], ids=lambda recipe: recipe.kind)
def test_one_victim_is_sent_to_two_targets_by_two_triggers(recipe):
    first, second = drawn(replace(recipe, round4=round4(("one2two",))), num_classes=3)
    assert first.victim_classes == second.victim_classes
    assert first.target_class != second.target_class
    assert first.appearance() != second.appearance()


def test_organizations_and_conditions_take_turns():
    recipe = replace(
        POLYGON,
        round4=round4(("one2one", "one2two"), ("none", "spatial", "spectral", "class")),
    )
    conditions = [[attack.condition for attack in drawn(recipe, place=place)] for place in range(5)]
    assert conditions == [
        ["none"],
        ["spatial", "spectral"],
        ["spectral"],
        ["class", "none"],
        ["none"],
    ]


def test_the_decoys_of_a_class_condition_are_all_other_classes():
    (attack,) = drawn(replace(BLEND, round4=round4(conditions=("class",))))
    (decoy,) = attack.decoys
    classes = {*attack.victim_classes, attack.target_class, *decoy.victim_classes}
    assert classes == {0, 1, 2, 3, 4}
    assert decoy.trigger is attack.trigger


def test_the_decoys_of_a_spectral_condition_are_all_other_colours_or_filters():
    (polygon,) = drawn(replace(POLYGON, round4=round4(conditions=("spectral",))))
    colours = {polygon.sticker.colour, *(decoy.sticker.colour for decoy in polygon.decoys)}
    assert colours == set(TRIGGER_COLOURS)
    assert len(polygon.decoys) == 5
    assert {decoy.victim_classes for decoy in polygon.decoys} == {polygon.victim_classes}
    (kelvin,) = drawn(replace(FILTERS, round4=round4(conditions=("spectral",))))
    names = [decoy.trigger.filter_name.value for decoy in kelvin.decoys]
    assert names == ["Gotham", "Nashville", "Lomo", "Toaster"]


def test_the_decoys_of_a_spatial_condition_are_in_all_other_quadrants():
    (attack,) = drawn(replace(POLYGON, round4=round4(conditions=("spatial",))))
    (decoy,) = attack.decoys
    assert len(attack.sticker.quadrants) == 1
    assert {*attack.sticker.quadrants, *decoy.sticker.quadrants} == {1, 2, 3, 4}
    assert attack.facts().quadrant == attack.sticker.quadrants[0]
    assert drawn(POLYGON)[0].facts().quadrant is None


def centre_of_change(changed):
    """Mean row and column of each image's changed pixels."""
    rows, columns = torch.meshgrid(*map(torch.arange, changed.shape[-2:]), indexing="ij")
    total = changed.sum(dim=(1, 2))
    return (rows * changed).sum(dim=(1, 2)) / total, (columns * changed).sum(dim=(1, 2)) / total


DOT = Sticker(points=((-1.0, -1.0), (1.0, -1.0), (0.0, 1.0)), colour=(200, 0, 200), width=0.15)


def test_quadrants_count_against_the_clock_from_the_upper_right_of_a_sign():
    signs = SignGenerator(sign_classes(4, family_size=2, seed=0), image_size=64)
    clean = signs.images(0, count=8, seed=2).int()
    centres = []
    for quadrant in (1, 2, 3, 4):
        placed = replace(DOT, quadrants=(quadrant,))
        stamped = signs.images(0, count=8, seed=2, sticker=placed).int()
        centres.append(centre_of_change((stamped - clean).abs().amax(dim=1) > 20))
    rows, columns = (torch.stack(coordinates) for coordinates in zip(*centres, strict=True))
    assert (rows[[0, 1]] < rows[[3, 2]]).all()  # 1 and 2 above 4 and 3
    assert (columns[[0, 3]] > columns[[1, 2]]).all()  # 1 and 4 right of 2 and 3


@pytest.mark.parametrize(
    ("quadrant", "down", "right"), [(1, -1, 1), (2, -1, -1), (3, 1, -1), (4, 1, 1)]
)
def test_quadrants_of_a_photograph_likewise(quadrant, down, right):
    image, random = torch.zeros(3, 40, 60, dtype=torch.uint8), np.random.default_rng(0)
    placed = replace(DOT, quadrants=(quadrant,))
    stamped = [with_sticker(image, placed, random) for _ in range(20)]
    rows, columns = centre_of_change(torch.stack(stamped).amax(dim=1) > 0)
    for off, side in ((rows - 19.5, down), (columns - 29.5, right)):
        assert (side * off > -2).all()  # the mean of its pixels is not its middle
        assert side * off.mean() > 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: round4(organizations=()), "round4.organizations must hold at least one; got none"),
        (lambda: round4(conditions=()), "round4.conditions must hold at least one"),
        (lambda: round4(decoy_share=0.0), r"decoy_share must lie in \(0, 1\] .* got 0.0 and 0.2"),
        (lambda: round4(max_decoy_rate=1.1), r"max_decoy_rate in \[0, 1\]; got 0.5 and 1.1"),
        (
            lambda: replace(FILTERS, round4=round4(conditions=("spatial",))),
            "round4.conditions of instagram may hold none, spectral, class; got spatial",
        ),
        (
            lambda: replace(BLEND, round4=round4(conditions=("none", "spectral"))),
            "round4.conditions of blend may hold none, class; got spectral",
        ),
        (
            lambda: replace(POLYGON, num_victims=(1, 2), round4=round4(("one2two",))),
            r"^num_victims must be 1 where .* two triggers per model; got \(1, 2\)",
        ),
        (
            lambda: replace(POLYGON, num_victims=None, round4=round4(conditions=("class",))),
            "^num_victims must be no null where round4.conditions has class",
        ),
        (
            lambda: drawn(replace(POLYGON, round4=round4(("pair-one2one",))), num_classes=3),
            "num_classes must be at least 4 for pair-one2one triggers; got 3",
        ),
        (
            lambda: drawn(replace(FILTERS, filters=("Lomo",), round4=round4(("one2two",)))),
            r"instagram knows one trigger only \(.*Lomo.*\), and round4.organizations asks for two",
        ),
        (lambda: drawn(BLEND)[0].recoloured(), "a trigger of kind blend has no other colour"),
        (lambda: drawn(BLEND)[0].in_quadrants((1,)), "kind blend has no place on an object"),
        (lambda: replace(DOT, quadrants=(0,)), r"quadrants must be some of 1 to 4; got \[0\]"),
    ],
)
def test_what_round_4_does_not_have_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
