"""A recipe comes back from a manifest, of the first format too."""

import json

import pytest

from exray.zoo.recipe_io import stored_recipe, upgraded


@pytest.fixture
def stored(micro):
    return json.loads(json.dumps(micro.description()))


def in_format_1(stored):
    """The same with a count and a section for polygons, none for the rest."""
    values = {name: value for name, value in stored.items() if name != "attacks"}
    polygon = dict(stored["attacks"]["polygon"])
    count = polygon.pop("count")
    del polygon["kind"], polygon["block"]
    return {**values, "num_polygon": count, "polygon": polygon, "num_blend": 0, "blend": {"x": 1}}


def test_a_recipe_comes_back_from_json(micro, stored):
    assert stored_recipe(stored) == micro
    assert stored_recipe({**stored, "images": {"dataset": "signs"}}) == micro


def test_the_first_format_is_read_and_sections_without_models_are_left_out(micro, stored):
    assert stored_recipe(in_format_1(stored)) == micro
    assert set(upgraded(in_format_1(stored))["attacks"]) == {"polygon"}
    assert upgraded(stored) == stored


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": "x"}, "seed"),
        ({"attacks": {"mine": {"kind": "sepia"}}}, r"attacks\.mine.*kind must be one of"),
        ({"attacks": {"mine": {"kind": "patch", "side": [0, 1]}}}, r"attacks\.mine"),
        ({"sead": 3}, "sead"),
    ],
)
def test_a_value_that_does_not_fit_is_named(stored, changes, message):
    with pytest.raises(ValueError, match=message):
        stored_recipe({**stored, **changes})


def test_a_count_of_format_1_without_its_section_is_named(stored):
    values = in_format_1(stored)
    del values["polygon"]
    with pytest.raises(ValueError, match="polygon"):
        stored_recipe(values)
