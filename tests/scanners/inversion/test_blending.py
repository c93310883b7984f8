"""Blending against its formula as autograd differentiates it."""

import torch

from exray.scanners.inversion.blending import blended


def plain(images, patches):
    return images + patches[:, None, :1] * (patches[:, None, 1:] - images)


def test_images_and_gradients_are_those_of_the_formula():
    stream = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 3, 4, 5, generator=stream, dtype=torch.float64)
    patches = torch.rand(2, 4, 4, 5, generator=stream, dtype=torch.float64).requires_grad_(True)
    weights = torch.randn(images.shape, generator=stream, dtype=torch.float64)
    stamped, expected = blended(images, patches), plain(images, patches)
    assert torch.allclose(stamped, expected)
    (slopes,) = torch.autograd.grad((stamped.square() * weights).sum(), patches)
    (by_hand,) = torch.autograd.grad((expected.square() * weights).sum(), patches)
    assert torch.allclose(slopes, by_hand)


def test_a_pixels_colours_lie_together():
    stamped = blended(torch.rand(2, 3, 3, 4, 5), torch.rand(2, 4, 4, 5))
    assert stamped.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
