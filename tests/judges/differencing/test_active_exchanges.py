"""Which exchanges an epoch looks at."""

import torch

from exray.judges.differencing.active_exchanges import ActiveExchanges
from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair

STAMPED = SetPair(first=(0, 1), second=(2, 3), first_class=0, second_class=1, one_to_one=True)
NATURAL = SetPair(first=(0, 1), second=(2, 3), first_class=0, second_class=1, one_to_one=False)
EASY = torch.tensor([True, True, False, True])
TERMS = torch.tensor([0.02, 0.01, 0.3, 0.01])


def watch(*sets, recheck=3):
    return ActiveExchanges(FeaturePairs(torch.rand(4, 2), sets), recheck=recheck)


def noted(each, epochs, terms=TERMS, easy=EASY):
    counts = torch.tensor(epochs)
    each.check(each.of([0]), terms=terms, easy=easy, epochs=counts)
    return each


def test_easy_exchanges_sit_out_until_the_next_check():
    each = noted(watch(STAMPED), [3])
    assert each.looked_at(torch.tensor([4])).tolist() == [False, False, True, False]
    assert each.looked_at(torch.tensor([5])).tolist() == [False, False, True, False]
    assert each.looked_at(torch.tensor([6])).all()
    assert each.counts(each.looked_at(torch.tensor([4]))) == [1]


def test_between_checks_nothing_new_sits_out():
    each = noted(watch(STAMPED), [4])
    assert each.looked_at(torch.tensor([5])).all()


def test_the_exchange_nearest_to_its_bar_never_sits_out():
    each = noted(watch(STAMPED), [0], easy=torch.ones(4, dtype=torch.bool))
    assert each.looked_at(torch.tensor([1])).tolist() == [False, False, True, False]


def test_samples_that_meet_others_in_every_epoch_never_sit_out():
    each = noted(watch(NATURAL), [0])
    assert each.looked_at(torch.tensor([1])).all()


def test_every_epoch_is_a_check_where_asked():
    each = noted(watch(STAMPED, recheck=1), [0])
    assert each.looked_at(torch.tensor([1])).all()


def test_pairs_are_checked_by_their_own_epochs():
    each = noted(watch(STAMPED, NATURAL), [3, 7])
    assert each.counts(each.looked_at(torch.tensor([4, 8]))) == [1, 4]
    assert each.of([1, 0]).tolist() == [4, 5, 6, 7, 0, 1, 2, 3]
