"""What an objective does that says nothing of margins and epochs."""

import torch

from exray.judges.differencing.objectives.base import Barrier


class Plain(Barrier):
    """Implements no more than it has to."""

    def terms(self, logits, exchanges):
        raise NotImplementedError

    def weights(self, terms, hits, exchanges):
        raise NotImplementedError

    def feasible(self, hits, exchanges):
        raise NotImplementedError


def test_no_exchange_is_skipped_by_default_however_small_its_term():
    barrier = Plain()
    barrier.after_epoch(
        torch.tensor([3]), active=torch.tensor([True]), improved=torch.tensor([True])
    )
    terms = torch.tensor([-torch.inf, 0.0, 5.0])
    assert barrier.satisfied_with_margin(terms).tolist() == [False, False, False]
