"""Values that do not fit a type are refused by field, with what was received."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from exray.schema import converted


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Shape:
    corners: tuple[tuple[float, float], ...]
    colour: Colour | None = None

    def __post_init__(self):
        if len(self.corners) == 1:
            raise ValueError("corners must be none or two and more")


class Item(Struct, forbid_unknown_fields=True):
    index: Annotated[Annotated[int, Meta(ge=0)] | Literal["all"], Meta(description="an index")]
    shapes: list[Shape] = []
    sizes: dict[str, float] = {}


def test_values_become_what_the_type_says():
    values = {"index": "all", "shapes": [{"corners": [[0, 1], [2.5, 3]], "colour": "red"}]}
    item = converted(values, Item)
    assert item.shapes == [Shape(corners=((0.0, 1.0), (2.5, 3.0)), colour=Colour.RED)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"index": -1}, r"^index must be an index; got -1$"),
        ({"index": True}, r"^index must be an index; got True$"),
        ({}, r"^index is missing$"),
        ({"index": 0, "x": 1}, r"^there is no 'x'; there are: index, shapes, sizes$"),
        ({"index": 0, "shapes": [{}]}, r"^shapes\[0\]: corners is missing$"),
        ({"index": 0, "shapes": {}}, r"^shapes: expected `array`; got {}$"),
        (
            {"index": 0, "shapes": [{"corners": [[1, 2, 3]]}]},
            r"^shapes\[0\].corners\[0\]: expected `array` of length 2; got \[1, 2, 3\]$",
        ),
        (
            {"index": 0, "shapes": [{"corners": [], "colour": "green"}]},
            r"^shapes\[0\].colour must be one of red, blue; got 'green'$",
        ),
        ({"index": 0, "shapes": [{"corners": [[1, 2]]}]}, r"^shapes\[0\]: corners must be none or"),
        ({"index": 0, "sizes": {"a": "b"}}, r"^sizes\[...\]: expected `float`; got {'a': 'b'}$"),
        ([], r"^expected `object`; got \[\]$"),
    ],
)
def test_what_does_not_fit_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        converted(values, Item)


def test_a_long_value_is_shortened():
    with pytest.raises(ValueError, match=r"got 'x{79}\.\.\.$"):
        converted({"index": "x" * 1000}, Item)
