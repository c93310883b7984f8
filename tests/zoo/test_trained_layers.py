"""Which layers a training changes."""

import pytest
import torch
from torch import nn

from exray.zoo.trained_layers import (
    frozen_in_eval_mode,
    only_last_layers,
    watched_outputs,
    weight_layers,
)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    )


def test_only_the_last_layers_are_new_and_take_a_gradient_within():
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with only_last_layers(net, 1):
        trained = [name for name, weight in net.named_parameters() if weight.requires_grad]
        assert trained == ["4.weight", "4.bias"]
    changed = [
        name for name, value in net.state_dict().items() if not torch.equal(value, before[name])
    ]
    assert changed == ["4.weight", "4.bias"]
    assert all(weight.requires_grad for weight in net.parameters())


def test_a_network_without_a_layer_to_keep_is_refused():
    message = "^num_trained_layers must be below the network's 3 layers of weights; got 3"
    with pytest.raises(ValueError, match=message), only_last_layers(network(), 3):
        pass


def test_frozen_batch_norms_gather_no_statistics():
    net = network().train()
    with only_last_layers(net, 1):
        frozen_in_eval_mode(net)
        net(torch.rand(8, 3, 2, 2))
    assert int(net[1].num_batches_tracked) == 0
    frozen_in_eval_mode(net.train())
    net(torch.rand(8, 3, 2, 2))
    assert int(net[1].num_batches_tracked) == 1


def test_outputs_are_watched_in_the_order_of_the_modules_and_no_longer_than_asked_for():
    net, images = network(), torch.rand(2, 3, 2, 2)
    with watched_outputs([net[0], net[2]]) as outputs:
        net(images)
    net(images)
    assert len(outputs) == 2
    torch.testing.assert_close(outputs[0], net[0](images))
    assert float(outputs[1].detach().min()) >= 0


def test_layers_of_weights_are_those_that_hold_some_themselves():
    assert [type(layer).__name__ for layer in weight_layers(network())] == [
        "Conv2d",
        "BatchNorm2d",
        "Linear",
    ]
