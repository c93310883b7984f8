"""Candidates without gradients, or with logits that are not finite, are named."""

import torch

from exray.scanners.inversion.gradient_check import GradientCheck

ROWS, STEPS = torch.arange(2), torch.ones(2, dtype=torch.long)
FINITE, NO_SUCCESS = torch.ones(2, dtype=torch.bool), torch.zeros(2)


def gradients(*values):
    return [torch.tensor(values).view(2, 1, 1, 1, 1).expand(2, 1, 3, 1, 1)]


def test_a_gradient_once_is_enough():
    check = GradientCheck(2, torch.device("cpu"))
    check.update(ROWS, NO_SUCCESS, FINITE, gradients(1.0, 0.0))
    assert check.needs_gradient(ROWS)
    check.update(ROWS, NO_SUCCESS, FINITE, gradients(0.0, 1.0))
    assert not check.needs_gradient(ROWS)
    assert check.failure_reason(STEPS) == ""


def test_success_counts_as_a_gradient():
    check = GradientCheck(2, torch.device("cpu"))
    check.update(ROWS, torch.tensor([0.5, 0.0]), FINITE, gradients(0.0, 0.0))
    assert "no gradient in 1 of 2 inversions" in check.failure_reason(STEPS)
    assert check.failure_reason(torch.tensor([1, 0])) == ""  # the other was never tried


def test_logits_that_are_not_finite_come_first():
    check = GradientCheck(2, torch.device("cpu"))
    check.update(ROWS, NO_SUCCESS, torch.tensor([True, False]), gradients(0.0, 0.0))
    assert "NaN or infinity in 1 of 2 inversions" in check.failure_reason(STEPS)
