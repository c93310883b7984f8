"""The common part of two masks."""

import numpy as np
import pytest
import torch

from exray.judges.differencing.mask_similarity import similarity


def test_similarity_is_the_slow_sum_of_smaller_entries():
    random = np.random.default_rng(0)
    for _ in range(20):
        first, second = random.random(7), random.random(7)
        common = sum(min(a, b) for a, b in zip(first, second, strict=True))
        overlap = similarity(torch.tensor(first), torch.tensor(second))
        assert overlap.of_first == pytest.approx(common / sum(first))
        assert overlap.of_second == pytest.approx(common / sum(second))
        assert overlap.value == pytest.approx(common / min(sum(first), sum(second)))
        assert (overlap.first_sum, overlap.second_sum) == pytest.approx((sum(first), sum(second)))


def test_a_mask_shares_all_of_itself():
    mask = torch.tensor([0.2, 1.0, 0.0])
    assert similarity(mask, mask).value == 1


def test_disjoint_masks_share_nothing():
    assert similarity(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])).value == 0


def test_an_empty_mask_is_contained_in_any():
    overlap = similarity(torch.zeros(2), torch.ones(2))
    assert (overlap.of_first, overlap.of_second, overlap.value) == (1, 0, 1)


def test_exchanging_the_masks_exchanges_the_shares():
    first, second = torch.rand(5), torch.rand(5)
    one, other = similarity(first, second), similarity(second, first)
    assert (one.of_first, one.of_second) == (other.of_second, other.of_first)
    assert one.value == other.value
