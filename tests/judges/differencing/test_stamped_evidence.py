"""Stamped images against clean images of the target, by hand and by slow loops."""

import math

import numpy as np
import pytest
import torch

from exray.judges.differencing.stamped_evidence import (
    confidence_shift,
    target_log_odds,
    tube_ratio,
)


def test_log_odds_are_against_the_best_other_class_and_leave_the_logits():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 4.0, 1.0]])
    before = logits.clone()
    assert target_log_odds(logits, 0).tolist() == [1.0, -4.0]
    assert torch.equal(logits, before)


def test_stamped_images_like_the_targets_own_shift_nothing():
    logits = torch.randn(6, 4)
    assert confidence_shift(logits, logits, 2) == 0
    surer = logits.clone()
    surer[:, 2] += 1.5
    assert confidence_shift(surer, logits, 2) == pytest.approx(1.5, abs=1e-5)


def test_the_tube_ratio_is_the_slow_loops():
    stamped, clean = torch.randn(5, 2, 3, 3), torch.randn(7, 2, 3, 3)
    one, other = stamped.flatten(1).numpy(), clean.flatten(1).numpy()
    inside = [
        min(np.linalg.norm(row - near) for at, near in enumerate(other) if at != place)
        for place, row in enumerate(other)
    ]
    outside = [min(np.linalg.norm(row - near) for near in other) for row in one]
    ratio = np.median(outside) / np.median(inside)
    assert tube_ratio(stamped, clean) == pytest.approx(math.log(ratio), rel=1e-4)


def test_the_tube_ratio_is_finite_for_images_of_the_target_itself():
    clean = torch.randn(4, 3)
    assert tube_ratio(clean, clean) == pytest.approx(math.log(1e-3))


@pytest.mark.parametrize("clean", [torch.zeros(0, 3), torch.ones(1, 3), torch.ones(4, 3)])
def test_a_target_without_a_cloud_has_no_tube(clean):
    assert tube_ratio(torch.rand(2, 3), clean) is None
