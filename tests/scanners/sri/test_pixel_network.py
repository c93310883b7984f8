"""Recolouring in pieces against the trigger's own formula."""

import pytest
import torch

from exray.scanners.sri import pixel_network as recolouring
from exray.scanners.sri.pixel_network import recoloured_pixels
from exray.triggers.recolouring import recoloured


@pytest.mark.parametrize("fits", [6, 1 << 13])
def test_colours_and_gradients_are_those_of_the_formula(monkeypatch, fits):
    monkeypatch.setattr(recolouring, "_CPU_PIXELS", fits)  # pieces of three pixels, and one
    stream = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.randn(shape, generator=stream, dtype=torch.float64)

    images = torch.rand(2, 3, 3, 2, 4, generator=stream, dtype=torch.float64)
    weights = [drawn(2, 5, 3), drawn(2, 5), drawn(2, 3, 5), drawn(2, 3)]
    leaves = [weight.requires_grad_(True) for weight in weights]
    pixels = images.transpose(1, 2).reshape(2, 3, -1)
    colours = recoloured_pixels(pixels, *leaves)
    expected = recoloured(images, *leaves).transpose(1, 2).reshape(2, 3, -1)
    assert torch.allclose(colours, expected)
    pull = drawn(*colours.shape)
    own = torch.autograd.grad((colours * pull).sum(), leaves)
    by_hand = torch.autograd.grad((expected * pull).sum(), leaves)
    assert all(torch.allclose(a, b) for a, b in zip(own, by_hand, strict=True))
