"""Which exchanges an epoch looks at: those that hold with room to spare sit out for a while."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from exray.judges.differencing.feature_pairs import FeaturePairs


class ActiveExchanges:
    """Lets exchanges that hold with room to spare sit out until the next check.

    Every ``recheck`` epochs all exchanges of a pair are looked at. Those that are easily met then
    count as met until the next check, in pairs that map one to one: there an exchange is of the
    same two samples in every epoch. The one nearest to its bar never sits out. A pair's own epochs
    count, so what is left out does not depend on which other pairs there are.

    Args:
        pairs: Sets of rows.
        recheck: Epochs from one check of a pair to the next; 1 leaves nothing out.

    Source: none; the paper looks at every sample in every epoch.
    """

    def __init__(self, pairs: FeaturePairs, *, recheck: int) -> None:
        device = pairs.bank.device
        sizes = torch.tensor([2 * pair.num_samples for pair in pairs.pairs])
        self.recheck = recheck
        self._starts = [0, *sizes.cumsum(0).tolist()]
        self._pair = torch.repeat_interleave(sizes).to(device)
        lasting = torch.tensor([pair.one_to_one for pair in pairs.pairs], device=device)
        self._lasting = lasting[self._pair]
        self._out = torch.zeros_like(self._lasting)

    def looked_at(self, epochs: Int[Tensor, " pairs"]) -> Bool[Tensor, " all"]:
        """Which of all pairs' exchanges an epoch looks at.

        Args:
            epochs: How many each pair has had.
        """
        return ~self._out | (epochs % self.recheck == 0)[self._pair]

    def counts(self, looked_at: Bool[Tensor, " all"]) -> list[int]:
        """How many exchanges of each pair are looked at."""
        count = len(self._starts) - 1
        counted: list[int] = torch.bincount(self._pair[looked_at], minlength=count).tolist()
        return counted

    def of(self, places: Sequence[int]) -> Int[Tensor, " n"]:
        """Where the exchanges of some pairs lie among those of all, in the order of a draw."""
        spans = [torch.arange(self._starts[place], self._starts[place + 1]) for place in places]
        return torch.cat(spans).to(self._out.device)

    def check(
        self,
        slots: Int[Tensor, " n"],
        *,
        terms: Float[Tensor, " n"],
        easy: Bool[Tensor, " n"],
        epochs: Int[Tensor, " pairs"],
    ) -> None:
        """Takes note of some pairs' exchanges; of meaning for the pairs whose check is due.

        Args:
            slots: As ``of`` gives them.
            terms: Of these exchanges.
            easy: Which of them hold with room to spare.
            epochs: How many each pair has had.
        """
        if self.recheck == 1:
            return
        pair = self._pair[slots]
        worst = terms.new_full((len(epochs),), -torch.inf).scatter_reduce(0, pair, terms, "amax")
        out = easy & self._lasting[slots] & (terms < worst[pair])
        due = (epochs % self.recheck == 0)[pair]
        self._out[slots] = torch.where(due, out, self._out[slots])
