"""A description builds no more than its weights could fill."""

from pathlib import Path

import pytest
import torch
from torch import nn

from exray.errors import CheckpointError
from exray.models.hub.construction import built, plain_values, skeleton

PLACE = Path("folder")
STATE = {"weight": torch.ones(3, 2), "bias": torch.ones(3)}


def test_a_skeleton_has_shapes_and_no_numbers():
    network = skeleton(lambda: nn.Linear(2, 3), STATE, PLACE, kind="a layer")
    assert network.weight.is_meta
    assert not built(lambda: nn.Linear(2, 3), STATE, PLACE, kind="a layer").weight.is_meta


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: nn.Linear(2**20, 2**20), "a layer that has more than 4194322 numbers"),
        (lambda: nn.Sequential(*[nn.ReLU() for _ in range(20_001)]), "more than 20000 layers"),
        (lambda: nn.Linear(-1, 2), "cannot be built"),
        (lambda: [][0], r"cannot be built \(IndexError"),
    ],
)
def test_a_network_larger_than_its_weights_is_refused(build, said):
    with pytest.raises(CheckpointError, match=said):
        skeleton(build, STATE, PLACE, kind="a layer")
    # The bound is taken off again.
    assert len(nn.Linear(3000, 3000).weight) == 3000


def computing():
    """As RegNet computes its widths."""
    return nn.Linear(int(torch.tensor(2).item()), 3)


def test_a_constructor_that_computes_has_no_skeleton():
    with pytest.raises(NotImplementedError):
        skeleton(computing, STATE, PLACE, kind="a layer")
    assert built(computing, STATE, PLACE, kind="a layer").in_features == 2


def test_only_plain_values_are_passed():
    values = {"a": 1, "b": [1, [2.5, "x", None]], "c": {"d": 1}, "e": [{"f": 1}], "g": True}
    assert plain_values(values, PLACE) == {"a": 1, "b": [1, [2.5, "x", None]], "g": True}


@pytest.mark.parametrize("value", [2**21, -(2**21), [1, [2**21]], 10**4000])
def test_a_number_that_no_network_has_is_refused(value):
    with pytest.raises(CheckpointError, match="describes a network with depth = "):
        plain_values({"depth": value}, PLACE)
