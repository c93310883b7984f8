"""SRI's recolourings: varied images, and the network that recolours them."""

import pytest
import torch

from exray.scanners.sri.shape import Moment
from exray.triggers.recolouring import RecolourTrigger


def test_an_images_colours_vary_about_its_own_mean(recolourings):
    images = torch.rand(2, 3, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    zero = tuple(torch.zeros(2, *shape) for shape in ((16, 3), (16,), (3, 16), (3,)))
    draws = torch.tensor([[1.0, -1.0, 0.5, 0.0], [-1.0, 1.0, -0.5, 0.0]])  # no turn of the hue
    stamped = recolourings.stamp(images, zero, Moment(round_index=0, step=0, draws=draws))
    for group, (bright, contrast, gamma) in enumerate(((1.2, 0.8, 1.1), (0.8, 1.2, 0.9))):
        for image, result in zip(images[group], stamped[group], strict=True):
            light = bright * image
            varied = light.mean() + contrast * (light - light.mean())
            expected = torch.sigmoid(5 * (varied.clamp(1e-3, 1) ** gamma - 0.5))
            assert torch.allclose(result, expected, atol=1e-5)


def test_a_network_of_weight_zero_keeps_the_order_of_colours(recolourings):
    trigger = recolourings.trigger(
        tuple(torch.zeros(1, *shape) for shape in ((16, 3), (16,), (3, 16), (3,))), (4, 4)
    )
    images = torch.rand(2, 3, 4, 4)
    assert torch.allclose(trigger.apply(images), torch.sigmoid(5 * (images - 0.5)))
    assert trigger.size_pixels == 16


def test_weights_that_are_not_finite_are_refused():
    zero = torch.zeros(16, 3)
    with pytest.raises(ValueError, match="outer_bias must be finite"):
        RecolourTrigger(
            inner_weight=zero,
            inner_bias=zero[:, 0],
            outer_weight=zero.T.contiguous(),
            outer_bias=torch.full((3,), float("nan")),
            image_size=(2, 2),
        )
