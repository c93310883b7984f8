"""The last layer of weights, and how the classes' rows of it compare."""

import pytest
import torch
from torch import nn

from exray.models.classifier import Classifier, Preprocessing
from exray.models.last_layer import class_weights, last_linear, standing_out

IMAGES = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def classifier(network, num_classes=5):
    return Classifier(network, Preprocessing(), num_classes=num_classes, name="net")


def rows_of(network, num_classes=5):
    return class_weights(classifier(network, num_classes), IMAGES)


def linear(width=48, num_classes=5):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(width, num_classes))


def test_the_last_layer_that_runs_counts_and_may_be_a_convolution():
    unused = nn.Linear(2, 2)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1), nn.Flatten()).eval()
    network[0].unused = unused
    assert last_linear(network, torch.rand(1, 3, 3, 3)) is network[1]


@pytest.mark.parametrize("change", ["scaled", "shifted", "shared"])
def test_what_changes_no_prediction_changes_no_row(change):
    network = linear()
    before = rows_of(network)
    layer = network[1]
    with torch.no_grad():
        if change == "scaled":
            layer.weight.mul_(1000), layer.bias.mul_(1000)
        elif change == "shifted":
            layer.bias.add_(7)
        else:
            layer.weight.add_(torch.randn(48))
    torch.testing.assert_close(rows_of(network), before)
    assert float(before.square().mean()) == pytest.approx(1)
    torch.testing.assert_close(before.mean(dim=0), torch.zeros(48), atol=1e-6, rtol=0)


def test_a_convolution_of_the_classes_has_rows_too():
    network = nn.Sequential(nn.Conv2d(3, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    rows = rows_of(network)
    assert rows.shape == (5, 3)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv2d(3, 5, 4), nn.Flatten()),
        nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 5, 4), nn.Flatten()),
        nn.Sequential(nn.Flatten(), nn.Linear(48, 6), nn.Unflatten(1, (2, 3)), nn.Flatten(0, 1)),
    ],
    ids=["no linear layer", "not the last", "no row a class"],
)
def test_other_networks_have_none(network):
    assert rows_of(network) is None


def test_rows_that_are_all_alike_say_nothing():
    network = linear()
    nn.init.ones_(network[1].weight)
    assert rows_of(network) is None


def test_standing_out_is_measured_by_the_others():
    values = torch.tensor([1.0, 2.0, 3.0, 9.0, 2.0])
    for place, value in enumerate(values):
        others = torch.cat([values[:place], values[place + 1 :]])
        expected = (value - others.mean()) / others.std()
        assert float(standing_out(values)[place]) == pytest.approx(float(expected))
    assert standing_out(torch.tensor([0.0, 0.0, 0.0, 1.0])).tolist()[-1] == 10
    assert standing_out(torch.zeros(4)).tolist() == [0.0] * 4
    with pytest.raises(ValueError, match="values must be of 4 classes or more; got 3"):
        standing_out(torch.zeros(3))
