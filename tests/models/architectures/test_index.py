"""Architectures by their names and shapes."""

import pytest

from exray.models.architectures import index
from exray.models.architectures.index import resemblance, resembling, sketch, write_index
from exray.models.architectures.registry import skeleton

pytest.importorskip("torchvision")


def shapes(name, num_classes=1000):
    state = skeleton(name, num_classes=num_classes).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


def test_resemblance_estimates_what_sets_share():
    one = {f"layer{place}.weight": (place,) for place in range(400)}
    other = {name: sides for place, (name, sides) in enumerate(one.items()) if place % 2}
    assert resemblance(sketch(one), sketch(one)) == 1
    assert 0.1 <= resemblance(sketch(one), sketch(other)) <= 0.9  # half is shared
    assert resemblance(sketch(one), sketch({f"x.{name}": (1,) for name in one})) == 0


@pytest.mark.parametrize("name", ["torchvision/resnet18", "torchvision/squeezenet1_1"])
@pytest.mark.parametrize("num_classes", [1000, 7])
def test_an_architecture_is_found_whatever_its_number_of_classes(name, num_classes):
    assert name in resembling(shapes(name, num_classes), limit=5)


def test_a_network_of_nobodys_resembles_none():
    assert resembling({"mine.weight": (3, 3), "mine.bias": (3,)}, limit=5) == []


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_the_index_knows_nearly_all_of_a_library(library):
    """Releases of a library add a few networks."""
    pytest.importorskip(library)
    known = {name for _, names in index._index() for name in names}
    names = [name for name in index.all_names() if name.startswith(f"{library}/")]
    assert len(known.intersection(names)) >= 0.95 * len(names)


def test_the_index_is_made_of_what_can_be_built(monkeypatch, tmp_path):
    monkeypatch.setattr(index, "_FILE", tmp_path / "index.txt")
    index._index.cache_clear()
    try:
        write_index(["plain_cnn", "torchvision/nothing"])
        assert resembling(shapes("plain_cnn"), limit=5) == ["plain_cnn"]
    finally:
        index._index.cache_clear()
