"""Network-in-Network, as the paper trains it on CIFAR-10."""

import torch
from torch import nn

from exray.models.architectures.network_in_network import network_in_network


def test_network_in_network_begins_with_logits_that_differ_between_images():
    torch.manual_seed(0)
    logits = network_in_network(10).eval()(torch.rand(16, 3, 32, 32))
    assert float(logits.detach().std(dim=0).mean()) > 1e-3  # 3e-6 at torch's own initialisation


def test_it_has_nine_convolutions_three_of_them_wide_and_the_last_gives_the_logits():
    network = network_in_network(7)
    kernels = [layer.kernel_size[0] for layer in network if isinstance(layer, nn.Conv2d)]
    assert kernels == [5, 1, 1, 5, 1, 1, 3, 1, 1]
    features = network[:-2].eval()(torch.rand(2, 3, 32, 32))
    assert features.shape == (2, 7, 8, 8)  # pooled twice
    logits = network.eval()(torch.rand(2, 3, 32, 32))
    assert logits.shape == (2, 7)
