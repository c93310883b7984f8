"""A traced network: its operations, their shapes and what each of them is."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from exray.models.splitting.tracing import (
    UntraceableError,
    is_convolution,
    is_norm_or_activation,
    is_overwritten,
    is_size,
    readers,
    trace,
)


class Sized(nn.Module):
    """A convolution as a call, a size, a norm, an identity and an activation in place."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.rand(4, 3, 3, 3))
        self.norm, self.drop = nn.BatchNorm2d(4), nn.Dropout()
        self.linear = nn.Linear(4, 2)

    def forward(self, x):
        count = x.shape[0]
        x = self.norm(F.conv2d(x, self.kernel))
        x = torch.relu_(self.drop(x))
        return self.linear(x.amax(dim=(2, 3)).view(count, -1))


@pytest.fixture
def sized():
    return trace(Sized().eval(), torch.rand(3, 3, 8, 8), name="net")


def node(traced, name):
    return next(node for node in traced.nodes if node.name == name)


def test_shapes_are_those_of_the_images_and_modules_end_in_their_operations(sized):
    assert sized.num_images == 3
    assert sized.shapes[node(sized, "conv2d")] == (3, 4, 6, 6)
    assert sized.shapes[node(sized, "linear")] == (3, 2)
    assert {path: end.name for path, end in sized.outputs.items()} == {
        "norm": "norm", "drop": "drop", "linear": "linear",
    }  # fmt: skip
    assert sized.module_of(node(sized, "norm")) is sized.network.norm
    assert sized.module_of(node(sized, "conv2d")) is None


def test_operations_are_told_by_what_they_compute(sized):
    def names(claim):
        return [node.name for node in sized.nodes if claim(node)]

    assert names(lambda node: is_convolution(sized, node)) == ["conv2d"]
    assert names(lambda node: is_norm_or_activation(sized, node)) == ["norm"]
    assert names(is_size) == ["getattr_1", "getitem"]


class InPlace(nn.Module):
    """An activation that overwrites what a dropout passes on."""

    def __init__(self, activation):
        super().__init__()
        self.conv, self.drop, self.activation = nn.Conv2d(3, 4, 3), nn.Dropout(), activation

    def forward(self, x):
        return self.activation(self.drop(self.conv(x))).mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("activation", "in_place"),
    [
        (nn.ReLU(inplace=True), True),
        (nn.ReLU(), False),
        (lambda x: x.relu_(), True),
        (lambda x: x.relu(), False),
        (lambda x: x.add_(1), True),
        (lambda x: F.relu(x, inplace=True), True),
        (lambda x: x.flatten(2).relu_()[..., None], True),
        (lambda x: x + 1, False),
    ],
)
def test_what_is_overwritten_later_is_known_through_dropouts_and_views(activation, in_place):
    traced = trace(InPlace(activation).eval(), torch.rand(2, 3, 8, 8), name="net")
    convolution = node(traced, "conv")
    assert is_overwritten(traced, convolution) is in_place
    assert "drop" not in [reader.name for reader in readers(traced, convolution)]


class Looks(nn.Module):
    """Depends on its values."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_a_module_that_looks_at_its_values_is_one_operation_and_a_network_is_refused():
    images = torch.rand(2, 3, 4, 4)
    traced = trace(nn.Sequential(nn.ReLU(), Looks(), nn.Flatten()), images, name="net")
    assert [node.name for node in traced.nodes] == ["images", "_0", "_1", "_2", "output"]
    with pytest.raises(UntraceableError, match=r"torch\.fx cannot trace net"):
        trace(Looks(), images, name="net")
