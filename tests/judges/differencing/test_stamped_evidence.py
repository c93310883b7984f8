"""Stamped images against clean images of the target, by hand and by slow loops."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from exray.judges.differencing.stamped_evidence import (
    confidence_shift,
    steadiness,
    target_log_odds,
    tube_ratio,
)
from exray.models.classifier import Classifier, Preprocessing
from exray.triggers.patch import PatchTrigger


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


class _Corner(nn.Module):
    """Class 1 by the brightness of the upper left pixel and of what lies ``below`` the middle."""

    def __init__(self, below: float) -> None:
        super().__init__()
        self.below = below

    def forward(self, images):
        lead = 4 * images[:, 0, 0, 0] - 1 + self.below * images[:, 0, 8:].mean(dim=(1, 2))
        return torch.stack([torch.zeros_like(lead), lead], dim=1)


def _steadiness(below: float, images: torch.Tensor) -> float:
    mask = torch.zeros(16, 16)
    mask[0, 0] = 1
    trigger = PatchTrigger(mask=mask, pattern=torch.ones(3, 16, 16))
    classifier = Classifier(
        _Corner(below), name="corner", preprocessing=Preprocessing(), num_classes=2
    )
    return steadiness(trigger, classifier, images, 1)


def _half_lit(count: int) -> torch.Tensor:
    images = torch.zeros(count, 3, 16, 16)
    images[:, :, 8:] = 1
    return images


def test_what_moves_beneath_a_trigger_that_works_alone_is_all_the_same():
    assert _steadiness(0.0, torch.rand(4, 3, 16, 16)) == pytest.approx(3.0)


def test_a_trigger_that_needs_the_images_place_is_less_steady():
    by_hand = 3 - 3 * (5 * 1 + 2 * 6 / 8 + 2 * 5 / 8) / 9  # five moves leave it there, four do not
    assert _steadiness(-3.0, _half_lit(3)) == pytest.approx(by_hand, abs=1e-5)


def test_images_that_differ_make_it_less_steady():
    images = torch.cat([_half_lit(1), torch.zeros(1, 3, 16, 16)])
    one = 3 + 2 * (5 * 1 + 2 * 6 / 8 + 2 * 5 / 8) / 9
    mean, spread = (one + 3) / 2, abs(one - 3) / 2
    assert _steadiness(2.0, images) == pytest.approx(mean / (1 + spread), abs=1e-5)


def test_the_first_ten_images_are_moved():
    images = torch.cat([torch.zeros(10, 3, 16, 16), _half_lit(5)])
    assert _steadiness(2.0, images) == pytest.approx(3.0)
