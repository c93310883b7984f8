"""Skips exchanges that are satisfied with margin until the next re-check."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from exray.judges.differencing.feature_pairs import FeaturePairs


class ActiveExchanges:
    """The exchanges that an epoch evaluates: all but those that were satisfied with margin.

    Every ``recheck`` epochs all exchanges of a pair are evaluated. Those that are satisfied with
    margin then count as satisfied until the next check, in pairs that map one to one: there an
    exchange is of the same two samples in every epoch. The worst one is never skipped. A pair's own
    epochs count, so what is skipped does not depend on which other pairs there are.

    Args:
        pairs: Sets of rows.
        recheck: Epochs from one check of a pair to the next; 1 skips nothing.

    Source: none; the paper evaluates every sample in every epoch.
    """

    def __init__(self, pairs: FeaturePairs, *, recheck: int) -> None:
        device = pairs.bank.device
        sizes = torch.tensor([2 * pair.num_samples for pair in pairs.pairs])
        self.recheck = recheck
        self._starts = [0, *sizes.cumsum(0).tolist()]
        self._pair = torch.repeat_interleave(sizes).to(device)
        one_to_one = torch.tensor([pair.one_to_one for pair in pairs.pairs], device=device)
        self._one_to_one = one_to_one[self._pair]
        self._skipped = torch.zeros_like(self._one_to_one)

    def active(self, epochs: Int[Tensor, " pairs"]) -> Bool[Tensor, " all"]:
        """Which of all pairs' exchanges an epoch evaluates.

        Args:
            epochs: How many each pair has had.
        """
        return ~self._skipped | (epochs % self.recheck == 0)[self._pair]

    def counts(self, active: Bool[Tensor, " all"]) -> list[int]:
        """How many exchanges of each pair are evaluated.

        Args:
            active: As ``active`` returns them.
        """
        num_pairs = len(self._starts) - 1
        counts: list[int] = torch.bincount(self._pair[active], minlength=num_pairs).tolist()
        return counts

    def slots(self, places: Sequence[int]) -> Int[Tensor, " n"]:
        """Indices of some pairs' exchanges among those of all, in the order of a pairing.

        Args:
            places: Which pairs.
        """
        spans = [torch.arange(self._starts[place], self._starts[place + 1]) for place in places]
        return torch.cat(spans).to(self._skipped.device)

    def update(
        self,
        slots: Int[Tensor, " n"],
        *,
        terms: Float[Tensor, " n"],
        with_margin: Bool[Tensor, " n"],
        epochs: Int[Tensor, " pairs"],
    ) -> None:
        """Chooses what is skipped next, in the pairs whose check is due.

        Args:
            slots: As ``slots`` returns them.
            terms: Of these exchanges.
            with_margin: Which of them are satisfied with margin.
            epochs: How many each pair has had.
        """
        if self.recheck == 1:
            return
        pair = self._pair[slots]
        worst = terms.new_full((len(epochs),), -torch.inf).scatter_reduce(0, pair, terms, "amax")
        skipped = with_margin & self._one_to_one[slots] & (terms < worst[pair])
        due = (epochs % self.recheck == 0)[pair]
        self._skipped[slots] = torch.where(due, skipped, self._skipped[slots])
