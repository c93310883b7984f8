"""Filters: near the identity at first, with gradients that stay finite, within their settings."""

import pytest
import torch

from exray.scanners.inversion.filters import Filters, FilterSettings, restart_shifts
from exray.scanners.inversion.interfaces import Candidate

pytestmark = pytest.mark.usefixtures("one_thread")


def test_filters_begin_next_to_the_identity():
    shape = Filters(2, window=3, image_size=(16, 16), device=torch.device("cpu"))
    images = torch.rand(4, 3, 16, 16)
    prepared = torch.stack([shape.prepared(images)] * 2)
    stamped = shape.stamp(prepared, shape.parameters)
    expected = (0.95 * images).expand_as(stamped.images)
    torch.testing.assert_close(stamped.images, expected, atol=1e-5, rtol=0)
    assert (stamped.measure > 0.98).all()
    torch.testing.assert_close(1 - stamped.size, stamped.measure)


def test_images_that_are_turned_inside_out_leave_gradients_finite():
    shape = Filters(2, window=3, image_size=(16, 16), device=torch.device("cpu"))
    prepared = shape.prepared(torch.rand(4, 3, 16, 16)).expand(2, -1, -1, -1, -1)
    logits = torch.zeros(2, 12, 3)
    logits[0, :3] = -2 * torch.eye(3)
    logits[0, 3:6] = 2 * torch.eye(3)
    logits[1, :3] = torch.eye(3)
    logits.requires_grad_(True)
    (slopes,) = torch.autograd.grad(shape.stamp(prepared, (logits,)).size.sum(), logits)
    assert slopes.isfinite().all()
    alone = shape.stamp(prepared[1:], (logits[1:],)).size.sum()
    torch.testing.assert_close(slopes[1], torch.autograd.grad(alone, logits)[0][1])
    assert (slopes[1] != 0).any()


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 1.5])
def test_an_ssim_bound_outside_zero_and_one_is_refused(value):
    with pytest.raises(ValueError, match=rf"min_ssim must lie in \(0, 1\); got {value}"):
        FilterSettings(min_ssim=value, window_share=0.5)


def test_only_further_starts_are_shifted_each_by_noise_of_its_own():
    first, second, third = (Candidate(victims=(0,), target=1, restart=k) for k in range(3))
    shifts = restart_shifts([first, second, third], seed=0)
    assert not shifts[0].any()
    assert not torch.equal(shifts[1], shifts[2])
    assert torch.equal(restart_shifts([third], seed=0)[0], shifts[2])


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.99])
def test_the_window_is_the_greatest_odd_side_within_the_share(share):
    side = FilterSettings(min_ssim=0.8, window_share=share).window((64, 100))
    assert side % 2 == 1
    assert side + 2 > 64 * share
    assert side <= max(1, 64 * share)
