"""Components out of nodes of the composed configuration."""

import sys
from dataclasses import dataclass

import pytest
from omegaconf import OmegaConf

from exray.app.instantiate import built


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: float


class Outer:
    """Another kind of object."""


class Strict:
    def __init__(self, *, word: str) -> None:
        raise KeyError(word)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, "shapes_for_test", sys.modules[__name__])


def inner(**values):
    return {"_target_": "shapes_for_test.Inner", **values}


def test_a_node_becomes_its_object_with_interpolations_resolved():
    config = OmegaConf.create({"half": 0.5, "part": inner(share="${half}")})
    assert built(config.part, Inner) == Inner(share=0.5)


def test_a_mistake_is_named_by_its_place_in_the_whole_configuration():
    config = OmegaConf.create({"scanner": {"engine": inner(share="x")}})
    with pytest.raises(ValueError, match=r"^scanner.engine.share must be a number; got 'x'"):
        built(config.scanner.engine, Inner)


@pytest.mark.parametrize("node", [5, None, OmegaConf.create({"share": 1})])
def test_a_node_that_names_no_class_is_refused(node):
    with pytest.raises(ValueError, match="a Inner is described by its _target_; got"):
        built(node, Inner)


def test_whatever_a_constructor_raises_is_a_value_error():
    node = OmegaConf.create({"_target_": "shapes_for_test.Strict", "word": "x"})
    with pytest.raises(ValueError, match="'x'"):
        built(node, Strict)


def test_another_kind_of_object_is_refused():
    node = OmegaConf.create(inner(share=1))
    with pytest.raises(ValueError, match=r"expected a Outer, and _target_=shapes_for_test.Inner"):
        built(node, Outer)
