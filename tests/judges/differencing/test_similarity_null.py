"""A trigger's similarity among that of mismatched masks."""

import pytest
import torch

from exray.judges.differencing.mask_similarity import similarity
from exray.judges.differencing.similarity_null import (
    mid_rank,
    pairwise_similarity,
    similarity_ranks,
)

CYCLE = [(0, 1), (1, 2), (2, 3), (3, 0)]


def test_pairwise_similarity_is_that_of_every_two_masks():
    first, second = torch.rand(3, 7), torch.rand(4, 7)
    second[2] = 0
    shared = pairwise_similarity(first, second)
    for row, one in enumerate(first):
        for column, other in enumerate(second):
            assert float(shared[row, column]) == pytest.approx(similarity(one, other).value)


def test_masks_that_match_their_own_pair_alone_rank_highest():
    masks = torch.eye(4)
    assert [rank.quantile for rank in similarity_ranks(masks, masks, CYCLE)] == [1.0] * 4


def test_masks_that_match_all_pairs_alike_rank_in_the_middle():
    masks = torch.ones(4, 5)
    assert [rank.quantile for rank in similarity_ranks(masks, masks, CYCLE)] == [0.5] * 4


def test_a_mask_that_matches_every_pair_but_its_own_ranks_lowest():
    first, second = torch.eye(5)[:4], torch.eye(5)[:4]
    second[0] = torch.tensor([0.0, 1, 1, 1, 0])
    first[0] = torch.tensor([0.0, 0, 0, 0, 1])
    (rank, *_) = similarity_ranks(first, second, CYCLE)
    assert rank.quantile == pytest.approx(3 / 2 / 6)  # three null values of 0 tie, three of 1


def test_triggers_of_the_same_class_pair_are_no_null_and_share_one_first_mask():
    masks = torch.eye(5)
    ranks = similarity_ranks(masks, masks, [*CYCLE, (0, 1)])
    assert [rank.null_count for rank in ranks] == [6, 7, 7, 7, 6]


@pytest.mark.parametrize("pairs", [[], CYCLE[:3], [(0, 1), (0, 1), (1, 2), (1, 2)]])
def test_few_triggers_of_other_class_pairs_give_no_quantile(pairs):
    masks = torch.rand(len(pairs), 5)
    ranks = similarity_ranks(masks, masks, pairs)
    assert [tuple(rank) for rank in ranks] == [(None, 0)] * len(pairs)


def test_a_quantile_counts_ties_by_half():
    assert mid_rank(torch.tensor(2.0), torch.tensor([0.0, 1.0, 2.0, 2.0, 3.0])) == 0.6
