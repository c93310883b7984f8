"""The slope of SSIM by hand is that of finite differences."""

import pytest
import torch

from exray.triggers.ssim_autograd import clean_scale, halved, likeness


@pytest.mark.parametrize("light", [True, False])
def test_the_slope_of_one_scale_is_that_of_finite_differences(light):
    clean = torch.rand(1, 2, 12, 13, dtype=torch.float64)
    scale = clean_scale(clean, stride=1, inside=False, light=light)
    stamped = (0.7 * clean + 0.1).square().requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda images: likeness([scale], images, weights=None), (stamped,)
    )


def test_the_slope_of_two_scales_is_that_of_finite_differences():
    clean = torch.rand(1, 1, 23, 24, dtype=torch.float64)
    scales = [
        clean_scale(clean, stride=2, inside=True, light=False),
        clean_scale(halved(clean), stride=1, inside=False, light=True),
    ]
    stamped = (0.8 * clean + 0.1).square().requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda images: likeness(scales, images, weights=[0.4, 0.6]), (stamped,)
    )
