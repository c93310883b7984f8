"""The plain convolutional network."""

import torch

from exray.models.architectures.plain_cnn import SIDE, plain_cnn


def test_three_poolings_leave_an_eighth_of_the_side():
    network = plain_cnn(5).eval()
    features = network[:7](torch.rand(2, 3, SIDE, SIDE))
    assert features.shape == (2, 64, SIDE // 8, SIDE // 8)
    assert network(torch.rand(2, 3, SIDE, SIDE)).shape == (2, 5)


def test_the_logits_are_linear_in_the_mean_of_the_last_features():
    network = plain_cnn(5).eval()
    images = torch.rand(2, 3, 40, 24)  # any size will do
    means = network[:7](images).mean(dim=(2, 3))
    expected = means @ network[-1].weight.T + network[-1].bias
    torch.testing.assert_close(network(images), expected)
