"""The 12 x 3 filter."""

import numpy as np
import pytest
import torch

from exray.triggers.filter import FilterTrigger, identity_kernel, mixed, neighbourhoods

IMAGES = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def trigger(kernel, **changes):
    return FilterTrigger(**{"kernel": kernel, "window": 5, "image_size": (12, 12), **changes})


def only(row, column=0):
    kernel = torch.zeros(12, 3)
    kernel[row, column] = 1
    return kernel


def test_the_identity_kernel_changes_nothing():
    assert torch.equal(trigger(identity_kernel()).apply(IMAGES), IMAGES)
    assert trigger(identity_kernel()).ssim(IMAGES) == pytest.approx(1)


def test_it_agrees_with_a_plain_loop_over_pixels():
    kernel = 0.4 * torch.rand(12, 3, generator=torch.Generator().manual_seed(1)) - 0.15
    filtered = trigger(kernel).apply(IMAGES)
    for y, x in ((0, 0), (3, 11), (6, 5), (11, 0)):
        around = IMAGES[0, :, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].reshape(3, -1).numpy()
        inputs = [IMAGES[0, :, y, x], around.max(1), around.min(1), around.mean(1)]
        expected = np.clip(np.concatenate(inputs) @ kernel.numpy(), 0, 1)
        np.testing.assert_allclose(filtered[0, :, y, x], expected, atol=1e-6)


def test_the_minimum_is_a_minimum_and_no_negated_maximum():
    darkest = trigger(only(6)).apply(IMAGES)[:, 0]
    assert (darkest <= IMAGES[:, 0]).all()
    assert darkest.max() > 0
    brightest = trigger(only(3)).apply(IMAGES)[:, 0]
    assert (brightest >= IMAGES[:, 0]).all()


def test_a_filter_is_differentiable_in_its_kernel():
    kernel = (0.3 * torch.ones(12, 3, dtype=torch.float64) / 4).requires_grad_()
    pools = neighbourhoods(IMAGES[:1, :, :4, :4].double(), window=3)
    assert torch.autograd.gradcheck(lambda weights: mixed(pools, weights), (kernel,))
    trigger(kernel).apply(IMAGES.double()).sum().backward()
    assert (kernel.grad > 0).all()


def test_its_size_in_pixels_is_the_image_and_its_ssim_tells_filters_apart():
    faint, strong = identity_kernel(), identity_kernel()
    faint[0, 1], strong[9, 1] = 0.1, 1.0
    assert trigger(faint).size_pixels == trigger(strong).size_pixels == 144
    assert 1 > trigger(faint).ssim(IMAGES) > trigger(strong).ssim(IMAGES)


@pytest.mark.parametrize("value", [-1.5, 1.5, float("nan")])
def test_weights_outside_minus_one_and_one_are_refused(value):
    with pytest.raises(ValueError, match=r"kernel must lie in \[-1, 1\]; got values from"):
        trigger(value * only(0))


@pytest.mark.parametrize("window", [0, 4, -3])
def test_a_window_without_a_middle_is_refused(window):
    with pytest.raises(ValueError, match=f"window must be odd and positive; got {window}"):
        trigger(only(0), window=window)


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"must be 12 x 12 pixels, the filter's image_size; got 8"):
        trigger(only(0)).apply(IMAGES[..., :8, :8])
