"""Components out of plain values: inner ones first, each value of the type that is wanted."""

from dataclasses import dataclass
from typing import Literal

import pytest

from exray.presets.instantiate import component

HERE = f"{__name__}."


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: float
    sides: tuple[int, int] = (1, 2)
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be a fraction; got {self.share}")


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner | None
    several: tuple[Inner, ...] = ()
    count: int | None = None
    name: str = ""
    sure: bool = False
    kind: Literal["one", "two"] = "one"
    turns: int | tuple[int | None, ...] | None = 1
    least: float | None = None


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "shapes_for_test", sys.modules[__name__])


def inner(**values):
    return {"_target_": "shapes_for_test.Inner", **values}


def outer(**values):
    return {"_target_": "shapes_for_test.Outer", "inner": None, **values}


def test_lists_become_tuples_and_whole_numbers_floats_where_those_are_wanted():
    part = component(inner(share=1, sides=[3, 8], levels=[0, 0.5]), "a")
    assert part == Inner(share=1.0, sides=(3, 8), levels=(0, 0.5))
    assert isinstance(part.share, float)
    assert isinstance(part.sides, tuple)


def test_of_several_types_a_value_becomes_the_first_that_it_fits():
    part = component(outer(turns=[1, 2, None], least=1), "a")
    assert part.turns == (1, 2, None)
    assert isinstance(part.least, float)
    assert component(outer(turns=None), "a").turns is None


def test_components_inside_components_are_built():
    part = component(outer(inner=inner(share=0.5), several=[inner(share=0.1)], count=2), "a")
    assert part.inner == Inner(share=0.5)
    assert list(part.several) == [Inner(share=0.1)]


def test_a_plain_mapping_becomes_the_dataclass_of_the_annotation():
    part = component(outer(inner={"share": 1}, several=[{"share": 0.1}, inner(share=0.2)]), "a")
    assert part.inner == Inner(share=1.0)
    assert list(part.several) == [Inner(share=0.1), Inner(share=0.2)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (inner(share="abc"), "a.share must be a number; got 'abc'"),
        (inner(share=True), "a.share must be a number; got True"),
        (inner(share=None), "a.share must be a number; got None"),
        (inner(share=1, sides=[3]), r"a.sides must be a list of 2, each a whole number; got \[3\]"),
        (inner(share=1, sides=5), "a.sides must be a list of 2, each a whole number; got 5"),
        (inner(share=1, levels=["x"]), r"a.levels must be a list, each item a number; got \['x'\]"),
        (outer(count=1.5), "a.count must be a whole number or null; got 1.5"),
        (outer(count="1"), "a.count must be a whole number or null; got '1'"),
        (outer(name=5), "a.name must be text; got 5"),
        (outer(sure=1), "a.sure must be true or false; got 1"),
        (outer(inner=5), "a.inner must be Inner or null; got 5"),
        (outer(inner=inner(share="x")), "a.inner.share must be a number; got 'x'"),
        (outer(several=[inner(share="x")]), "a.several.0.share must be a number; got 'x'"),
        (outer(several=[{}]), "a.several.0.share must be given"),
        (outer(inner={"shares": 1}), "a.inner has no key 'shares'; it has: share, sides, levels"),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_key(values, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        component(values, "a")


def test_a_constructors_message_gets_the_key_of_the_parameter_that_it_begins_with():
    with pytest.raises(ValueError, match=r"^a\.inner\.share must be a fraction; got 2"):
        component(outer(inner=inner(share=2)), "a")
