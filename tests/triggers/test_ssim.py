"""Structural similarity."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from exray.triggers.ssim import (
    clean_scales,
    multi_scale_ssim,
    num_scales,
    scaled_likeness,
    scales_from_tensor,
    scales_to_tensor,
    ssim,
)


def reference(one, other):
    """SSIM of one channel by its definition, the border included by reflection."""

    def smooth(values):
        return gaussian_filter(values, 1.5, truncate=5 / 1.5, mode="mirror")

    mean, other_mean = smooth(one), smooth(other)
    variance = smooth(one * one) - mean**2
    other_variance = smooth(other * other) - other_mean**2
    covariance = smooth(one * other) - mean * other_mean
    light = (2 * mean * other_mean + 1e-4) / (mean**2 + other_mean**2 + 1e-4)
    shape = (2 * covariance + 9e-4) / (variance + other_variance + 9e-4)
    return light * shape, shape


def images(size, count=2):
    stream = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 3, size // 8, size // 8, generator=stream, dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


def test_ssim_is_that_of_its_definition():
    clean = images(32)
    stamped = (0.8 * clean + 0.1) ** 2
    per_channel = [
        [reference(a.numpy(), b.numpy())[0].mean() for a, b in zip(x, y, strict=True)]
        for x, y in zip(clean, stamped, strict=True)
    ]
    np.testing.assert_allclose(ssim(clean, stamped), np.mean(per_channel, axis=1), atol=1e-6)


@pytest.mark.parametrize("size", [16, (44, 64), 99])
def test_both_measures_and_their_slopes_are_torchmetrics(size):
    height, width = size if isinstance(size, tuple) else (size, size)
    clean = torch.rand(1, 3, height, width, dtype=torch.float64)
    clean[:, :, : height // 2] = 0.4  # without contrast, where variances are rounding errors
    stamped = ((0.8 * clean + 0.1) ** 2).requires_grad_(True)
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333][: num_scales(min(height, width))]
    shares = tuple(weight / sum(weights) for weight in weights)
    plain = {"data_range": 1.0, "reduction": "none"}
    pairs = (
        (ssim, structural_similarity_index_measure(stamped, clean, **plain)),
        (
            multi_scale_ssim,
            multiscale_structural_similarity_index_measure(stamped, clean, **plain, betas=shares),
        ),
    )
    for measure, expected in pairs:
        likeness = measure(clean, stamped)
        torch.testing.assert_close(likeness, expected, atol=1e-6, rtol=0)
        slopes = [torch.autograd.grad(value.sum(), stamped)[0] for value in (likeness, expected)]
        torch.testing.assert_close(*slopes, atol=1e-6, rtol=1e-4)


def test_multi_scale_ssim_counts_the_coarsest_scale_once():
    """Two scales by hand: contrast and structure of the fine one, the whole of the coarse one."""
    clean = images(32)
    stamped = 0.7 * clean + 0.1
    fine, coarse = 0.0448 / 0.3304, 0.2856 / 0.3304
    expected = []
    for one, other in zip(clean, stamped, strict=True):
        halved = [torch.nn.functional.avg_pool2d(x, 2) for x in (one, other)]
        inner = slice(5, -5)
        shape = np.mean(
            [
                reference(a.numpy(), b.numpy())[1][inner, inner]
                for a, b in zip(one, other, strict=True)
            ]
        )
        whole = np.mean([reference(a.numpy(), b.numpy())[0] for a, b in zip(*halved, strict=True)])
        expected.append(shape**fine * whole**coarse)
    np.testing.assert_allclose(multi_scale_ssim(clean, stamped), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "scales"), [(11, 1), (21, 1), (22, 2), (43, 2), (44, 3), (98, 3), (99, 4), (176, 5)]
)
def test_every_size_gets_as_many_scales_as_the_library_takes(size, scales):
    clean = torch.rand(1, 3, size, size)
    assert num_scales(size) == scales
    assert torch.allclose(multi_scale_ssim(clean, clean), torch.ones(1))


@pytest.mark.parametrize("measure", [ssim, multi_scale_ssim])
def test_more_change_looks_less_alike_and_can_be_optimised(measure):
    clean = images(32)
    opacity = torch.tensor([0.1, 0.6], dtype=torch.float64, requires_grad=True)
    stamped = clean * (1 - opacity[:, None, None, None])
    likeness = measure(clean, stamped)
    assert 1 > likeness[0] > likeness[1]
    (slope,) = torch.autograd.grad(likeness.sum(), opacity)
    assert (slope < 0).all()


@pytest.mark.parametrize("measure", [ssim, multi_scale_ssim])
def test_images_smaller_than_the_window_are_refused(measure):
    small = torch.rand(1, 3, 10, 20)
    with pytest.raises(ValueError, match=r"at least 11 pixels wide and high for SSIM; got 10 x 20"):
        measure(small, small)


@pytest.mark.parametrize("side", [32, 64])
def test_a_few_windows_tell_nearly_what_all_tell(side):
    clean = images(side, count=6)
    stamped = clean.sqrt() * torch.tensor([1.0, 0.8, 0.6]).view(3, 1, 1)
    whole, some = (multi_scale_ssim(clean, stamped, stride=stride).mean() for stride in (1, 4))
    assert float(whole) < 0.98
    assert float(some) == pytest.approx(float(whole), abs=0.01)


def test_scales_of_clean_images_tell_the_same_after_they_were_packed():
    clean = torch.rand(3, 3, 44, 50, dtype=torch.float64)
    stamped = clean.square()
    like = clean_scales(torch.zeros_like(clean[:1]), stride=4)
    numbers = torch.nn.functional.pad(scales_to_tensor(clean_scales(clean, stride=4)), (0, 7))
    likeness = scaled_likeness(scales_from_tensor(clean, numbers, like), stamped)
    torch.testing.assert_close(likeness, multi_scale_ssim(clean, stamped, stride=4))


def test_images_without_a_slope_of_their_own_leave_the_others_alone():
    clean = images(32, count=3)
    stamped = (0.8 * clean + 0.1).requires_grad_(True)
    weights = torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64)
    whole, some = (
        torch.autograd.grad((multi_scale_ssim(clean, stamped) * weight).sum(), stamped)[0]
        for weight in (torch.ones_like(weights), weights)
    )
    torch.testing.assert_close(some, whole * weights.view(-1, 1, 1, 1))
