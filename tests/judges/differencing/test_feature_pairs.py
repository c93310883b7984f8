"""Which samples are exchanged with which."""

from dataclasses import replace

import pytest
import torch

from exray.judges.differencing.feature_pairs import FeaturePairs, Pairing, SetPair


def pair(first, second, one_to_one=False):
    return SetPair(first=first, second=second, first_class=0, second_class=1, one_to_one=one_to_one)


def pairing(pairs, schedule="each_epoch", num_rows=12):
    return Pairing(FeaturePairs(torch.zeros(num_rows, 2), pairs), schedule=schedule, seed=0)


def partners(exchanges):
    """The second set's sample that each of the first set's meets."""
    into_first = exchanges.side == 0
    return list(
        zip(exchanges.own[into_first].tolist(), exchanges.other[into_first].tolist(), strict=True)
    )


def test_every_sample_takes_part_where_sets_differ_in_size():
    sets = [pair((0, 1, 2), (3, 4, 5, 6, 7)), pair((8,), (9, 10)), pair((11,), (0,))]
    drawn = pairing(sets).draw([0, 1, 2])
    assert torch.bincount(drawn.pair).tolist() == [10, 4, 2]  # both directions
    for place, set_pair in enumerate(sets):
        own = drawn.own[(drawn.pair == place) & (drawn.side == 0)]
        other = drawn.other[(drawn.pair == place) & (drawn.side == 0)]
        assert set(own.tolist()) == set(set_pair.first)
        assert set(other.tolist()) == set(set_pair.second)


def test_the_two_directions_are_the_same_samples_with_the_classes_exchanged():
    drawn = pairing([pair((0, 1, 2), (3, 4, 5))]).draw([0])
    there, back = drawn.side == 0, drawn.side == 1
    assert torch.equal(drawn.own[there], drawn.other[back])
    assert torch.equal(drawn.other[there], drawn.own[back])
    assert set(drawn.to_class[there].tolist()) == set(drawn.from_class[back].tolist()) == {1}
    assert set(drawn.from_class[there].tolist()) == set(drawn.to_class[back].tolist()) == {0}


def test_sets_that_map_one_to_one_stay_in_step():
    rows = tuple(range(6)), tuple(range(6, 12))
    drawn = partners(pairing([pair(*rows, one_to_one=True)]).draw([0]))
    assert drawn == list(zip(*rows, strict=True))


@pytest.mark.parametrize(("schedule", "stays"), [("each_epoch", False), ("once", True)])
def test_other_sets_are_paired_at_random_anew_or_once(schedule, stays):
    rows = tuple(range(6)), tuple(range(6, 12))
    drawing = pairing([pair(*rows)], schedule)
    one, other = (partners(drawing.draw([0])) for _ in range(2))
    assert sorted(second for _, second in one) == list(rows[1])
    assert (sorted(one) == sorted(other)) is stays


def test_what_is_drawn_for_a_pair_does_not_depend_on_the_others():
    subject = pair((0, 1, 2), (3, 4, 5))
    others = [replace(pair((6, 7), (8, 9, 10, 11)), first_class=2, second_class=3)] * 2
    alone = pairing([subject]).draw([0])
    beside = pairing([others[0], subject, others[1]]).draw([1, 2])
    assert partners(alone) == partners(beside)[:3]


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
