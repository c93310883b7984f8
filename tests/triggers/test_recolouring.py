"""The recolouring network."""

import numpy as np
import pytest
import torch

from exray.triggers.recolouring import RecolourTrigger, recoloured

IMAGES = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))


def weights(seed):
    random = np.random.default_rng(seed)
    shapes = {
        "inner_weight": (16, 3),
        "inner_bias": (16,),
        "outer_weight": (3, 16),
        "outer_bias": (3,),
    }
    return {
        name: torch.from_numpy(random.normal(scale=0.5, size=shape)).float()
        for name, shape in shapes.items()
    }


def by_loop(image, inner_weight, inner_bias, outer_weight, outer_bias):
    """The formula of the class, pixel by pixel in numpy."""
    result = np.empty_like(image)
    for y, x in np.ndindex(image.shape[1:]):
        colour = image[:, y, x] - 0.5
        hidden = np.maximum(inner_weight @ colour + inner_bias, 0)
        result[:, y, x] = 1 / (1 + np.exp(-5 * (colour + outer_weight @ hidden + outer_bias)))
    return result


def test_it_agrees_with_a_plain_loop_over_pixels():
    values = weights(1)
    stamped = RecolourTrigger(**values, image_size=(5, 4)).apply(IMAGES)
    plain = [value.numpy() for value in values.values()]
    for image, result in zip(IMAGES.numpy(), stamped.numpy(), strict=True):
        np.testing.assert_allclose(result, by_loop(image, *plain), atol=1e-5)


def test_each_group_of_images_has_a_network_of_its_own():
    networks = [weights(seed) for seed in (1, 2)]
    stacked = (torch.stack([one[name] for one in networks]) for name in networks[0])
    together = recoloured(torch.stack([IMAGES, IMAGES]), *stacked)
    for values, images in zip(networks, together, strict=True):
        alone = RecolourTrigger(**values, image_size=(5, 4)).apply(IMAGES)
        torch.testing.assert_close(images, alone)


@pytest.mark.parametrize("name", list(weights(0)))
def test_weights_that_are_not_finite_are_refused(name):
    values = weights(0)
    values[name].view(-1)[-1] = float("nan")
    with pytest.raises(ValueError, match=f"{name} must be finite"):
        RecolourTrigger(**values, image_size=(5, 4))
