"""Which samples are exchanged with which."""

import pytest
import torch

from exray.differencing.feature_pairs import FeaturePairs, SetPair


def pair(first, second, one_to_one=False):
    return SetPair(first=first, second=second, first_class=0, second_class=1, one_to_one=one_to_one)


def drawn(pairs, seed=0):
    return pairs.draw(torch.Generator().manual_seed(seed))


def test_every_sample_takes_part_where_sets_differ_in_size():
    pairs = FeaturePairs(
        torch.zeros(12, 2),
        [pair((0, 1, 2), (3, 4, 5, 6, 7)), pair((8,), (9, 10)), pair((11,), (0,))],
    )
    batch = drawn(pairs)
    assert batch.first.shape == batch.second.shape == (3, 5)
    for row, each in enumerate(pairs.pairs):
        assert set(batch.first[row].tolist()) == set(each.first)
        assert set(batch.second[row].tolist()) == set(each.second)


def test_sets_that_map_one_to_one_stay_in_step():
    rows = tuple(range(6)), tuple(range(6, 12))
    batch = drawn(FeaturePairs(torch.zeros(12, 2), [pair(*rows, one_to_one=True)]))
    assert (batch.second - batch.first == 6).all()
    assert batch.first.tolist() != [list(range(6))]  # in a random order


def test_other_sets_are_paired_at_random_and_anew_each_time():
    rows = tuple(range(6)), tuple(range(6, 12))
    pairs = FeaturePairs(torch.zeros(12, 2), [pair(*rows)])
    stream = torch.Generator().manual_seed(0)
    partners = [
        dict(zip(batch.first[0].tolist(), batch.second[0].tolist(), strict=True))
        for batch in (pairs.draw(stream), pairs.draw(stream))
    ]
    assert partners[0] != partners[1]
    assert set(partners[0].values()) == set(rows[1])


def test_the_classes_go_with_the_pairs():
    batch = drawn(FeaturePairs(torch.zeros(2, 2), [pair((0,), (1,))]))
    assert (batch.first_class.tolist(), batch.second_class.tolist()) == ([0], [1])


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="at least one sample; classes 0 and 1 have 0 and 1"):
        pair((), (1,))


def test_one_to_one_sets_of_different_size_are_refused():
    with pytest.raises(ValueError, match="one to one must be as large; got 2 and 1 samples"):
        pair((0, 1), (1,), one_to_one=True)


def test_no_pair_is_refused():
    with pytest.raises(ValueError, match="at least one pair of sample sets; got none"):
        FeaturePairs(torch.zeros(1, 1), [])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match="features must be finite"):
        FeaturePairs(torch.tensor([[value]]), [pair((0,), (0,))])
