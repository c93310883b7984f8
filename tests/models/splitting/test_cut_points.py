"""Where a network can be cut."""

import pytest
import torch
from torch import nn

from exray.errors import LayerNotFoundError
from exray.models.splitting.cut_points import (
    RULES,
    cut_names,
    find_cut,
    listed,
    live_tensors,
    place_of,
    repeated_blocks,
    single_live_cuts,
)
from exray.models.splitting.tracing import trace


class Residual(nn.Module):
    """A shortcut passes the second of three convolutions."""

    def __init__(self):
        super().__init__()
        self.first, self.inner = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.relu, self.last = nn.ReLU(), nn.Conv2d(4, 5, 3)
        self.linear = nn.Linear(5, 2)

    def forward(self, x):
        x = self.first(x)
        x = self.relu(x + self.inner(x))
        return self.linear(self.last(x).amax(dim=(2, 3)))


class FlatTransformer(nn.Module):
    """Four residual branches, a constant added, and no blocks: as a converted graph has it."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 4, stride=4)
        self.places = nn.Parameter(torch.zeros(2, 4, 6))
        self.linears = nn.ModuleList(nn.Linear(6, 6) for _ in range(4))
        self.last = nn.Linear(6, 2)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places
        for linear in self.linears:
            x = x + linear(x).relu()
        return self.last(x.mean(dim=1))


@pytest.fixture
def residual():
    return trace(Residual().eval(), torch.rand(2, 3, 8, 8), name="net")


def test_the_shortcut_lives_beside_the_convolution_that_it_passes(residual):
    live = {
        node.name: [tensor.name for tensor in tensors]
        for node, tensors in live_tensors(residual).items()
    }
    assert live["first"] == ["first"]
    assert live["inner"] == ["first", "inner"]
    assert live["add"] == ["add"]
    assert live["output"] == []


def test_a_cut_leaves_one_tensor_and_something_to_compute(residual):
    names = [node.name for node in single_live_cuts(residual)]
    assert names == ["first", "add", "relu", "last", "amax"]  # neither inner nor linear
    assert cut_names(residual, single_live_cuts(residual)) == [*RULES, "first", "relu", "last"]


@pytest.mark.parametrize(
    ("layer", "counted", "cut"),
    [
        ("last_conv", "last", "last"),
        ("second_last_conv", "inner", "relu"),  # past the shortcut and the activation
        ("middle", "inner", "relu"),
        ("first", "first", "first"),
    ],
)
def test_a_rule_counts_convolutions_and_cuts_where_one_tensor_lives(residual, layer, counted, cut):
    point = find_cut(residual, layer)
    assert (point.counted, point.layer) == (counted, cut)
    assert point.live == (point.after,)


@pytest.mark.parametrize(
    ("layer", "cut"), [("middle", "add_3"), ("second_last_conv", "add_3"), ("last_conv", "add_4")]
)
def test_where_blocks_are_lost_a_rule_counts_the_ends_of_residual_branches(layer, cut):
    traced = trace(FlatTransformer().eval(), torch.rand(2, 3, 8, 8), name="net")
    assert find_cut(traced, layer).layer == cut


@pytest.mark.parametrize("count", [2, 3, 4, 9])
def test_rules_pick_the_last_the_one_before_and_the_upper_middle(count):
    places = list(range(count))
    assert place_of("last_conv", count) == places[-1]
    assert place_of("second_last_conv", count) == places[-2]
    assert place_of("middle", count) == places[len(places) // 2]


def test_blocks_in_a_row_are_those_of_one_class_that_is_not_torchs():
    network = nn.Sequential(nn.Sequential(Residual(), Residual()), nn.ReLU(), nn.ReLU(), Residual())
    assert repeated_blocks(network) == ["0.0", "0.1"]


def test_of_many_layers_the_outermost_are_listed_in_their_order():
    paths = [path for block in range(20) for path in (f"{block}", f"{block}.conv", f"{block}.a.b")]
    names = listed(paths)
    assert names[:3] == list(RULES)
    assert len(names) == 3 + 30
    assert [name for name in names if name.isdecimal()] == [str(block) for block in range(20)]
    assert not any(name.endswith(".a.b") for name in names)


def test_a_last_convolution_that_is_the_output_leaves_no_features():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3)).eval()
    with pytest.raises(LayerNotFoundError, match="leaves no features: nothing can be cut after"):
        find_cut(trace(network, torch.rand(2, 3, 8, 8), name="net"), "last_conv")
