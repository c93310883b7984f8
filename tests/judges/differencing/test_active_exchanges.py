"""Which exchanges an epoch evaluates."""

import torch

from exray.judges.differencing.active_exchanges import ActiveExchanges
from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair

STAMPED = SetPair(first=(0, 1), second=(2, 3), first_class=0, second_class=1, one_to_one=True)
NATURAL = SetPair(first=(0, 1), second=(2, 3), first_class=0, second_class=1, one_to_one=False)
WITH_MARGIN = torch.tensor([True, True, False, True])
TERMS = torch.tensor([0.02, 0.01, 0.3, 0.01])


def updated(*sets, epochs, recheck=3, with_margin=WITH_MARGIN):
    """Exchanges after the first pair's were evaluated in one epoch."""
    exchanges = ActiveExchanges(FeaturePairs(torch.rand(4, 2), sets), recheck=recheck)
    counts = torch.tensor(epochs)
    exchanges.update(exchanges.slots([0]), terms=TERMS, with_margin=with_margin, epochs=counts)
    return exchanges


def test_exchanges_satisfied_with_margin_are_skipped_until_the_next_check():
    exchanges = updated(STAMPED, epochs=[3])
    assert exchanges.active(torch.tensor([4])).tolist() == [False, False, True, False]
    assert exchanges.active(torch.tensor([5])).tolist() == [False, False, True, False]
    assert exchanges.active(torch.tensor([6])).all()
    assert exchanges.counts(exchanges.active(torch.tensor([4]))) == [1]


def test_between_checks_no_further_exchange_is_skipped():
    exchanges = updated(STAMPED, epochs=[4])
    assert exchanges.active(torch.tensor([5])).all()


def test_the_worst_exchange_is_never_skipped():
    exchanges = updated(STAMPED, epochs=[0], with_margin=torch.ones(4, dtype=torch.bool))
    assert exchanges.active(torch.tensor([1])).tolist() == [False, False, True, False]


def test_samples_that_meet_others_in_every_epoch_are_never_skipped():
    exchanges = updated(NATURAL, epochs=[0])
    assert exchanges.active(torch.tensor([1])).all()


def test_a_recheck_of_one_evaluates_everything():
    exchanges = updated(STAMPED, epochs=[0], recheck=1)
    assert exchanges.active(torch.tensor([1])).all()


def test_pairs_are_checked_by_their_own_epochs():
    exchanges = updated(STAMPED, NATURAL, epochs=[3, 7])
    assert exchanges.counts(exchanges.active(torch.tensor([4, 8]))) == [1, 4]
    assert exchanges.slots([1, 0]).tolist() == [4, 5, 6, 7, 0, 1, 2, 3]
