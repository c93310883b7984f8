"""The network grey_cnn."""

import torch

from exray.models.architectures.grey_cnn import SIDE, grey_cnn


def test_only_the_mean_of_the_colours_counts():
    network = grey_cnn(5).eval()
    images = torch.rand(2, 3, SIDE, SIDE)
    logits = network(images)
    assert logits.shape == (2, 5)
    torch.testing.assert_close(network(images[:, [2, 0, 1]]), logits)
    torch.testing.assert_close(network(images.mean(dim=1, keepdim=True)), logits)


def test_images_of_another_size_are_taken():
    assert grey_cnn(3).eval()(torch.rand(1, 3, 32, 32)).shape == (1, 3)
