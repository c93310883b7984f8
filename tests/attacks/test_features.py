"""What enters the last layers of a network."""

import pytest
import torch
from torch import nn

from exray.attacks.features import entering_features


def test_features_are_what_the_layer_gets_and_the_hook_goes():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4)).eval()
    images = torch.rand(5, 3, 2, 2)
    with entering_features(network, 1) as features:
        torch.testing.assert_close(features(images), network[:3](images))
        torch.testing.assert_close(features.logits, network(images))
    with entering_features(network, 2) as features:
        torch.testing.assert_close(features(images), images.mean(dim=(2, 3)))
    assert not network[3]._forward_pre_hooks


def test_more_layers_than_there_are_are_refused():
    message = "^the network has 1 layers of weights; got 2"
    with pytest.raises(ValueError, match=message), entering_features(nn.Linear(2, 2), 2):
        pass


def test_features_of_every_place_are_not_averaged():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 4, 1)).eval()
    images = torch.rand(5, 3, 2, 2)
    with entering_features(network, 1, per_place=True) as features:
        torch.testing.assert_close(features(images), network[0](images).flatten(1))
