"""Pairs of sample sets whose features are exchanged, batched over pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SetPair:
    """Two sets of samples, as rows of one bank of features.

    Args:
        first: Rows of the first set.
        second: Rows of the second.
        first_class: Class that the first set's samples have.
        second_class: Class that the second set's samples have, or are taken for.
        one_to_one: Whether row i of one belongs to row i of the other (an image and the same
            image stamped); else they are paired at random.

    Raises:
        ValueError: If a set is empty, or sets that map one to one differ in size.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    first_class: int
    second_class: int
    one_to_one: bool

    def __post_init__(self) -> None:
        if not self.first or not self.second:
            raise ValueError(
                f"both sets need at least one sample; classes {self.first_class} and "
                f"{self.second_class} have {len(self.first)} and {len(self.second)}"
            )
        if self.one_to_one and len(self.first) != len(self.second):
            raise ValueError(
                "sets that map one to one must be as large; "
                f"got {len(self.first)} and {len(self.second)} samples"
            )


class PairBatch(NamedTuple):
    """Rows to exchange for every pair of sets, and the classes they should then have."""

    first: Int[Tensor, "pairs n"]
    second: Int[Tensor, "pairs n"]
    first_class: Int[Tensor, " pairs"]
    second_class: Int[Tensor, " pairs"]


class FeaturePairs:
    """The features of all samples, once, and which of them are exchanged with which.

    Args:
        bank: Features of every sample that takes part, channels second.
        pairs: Sets of rows.

    Raises:
        ValueError: If there is no pair, or features are not finite.
    """

    def __init__(self, bank: Float[Tensor, "rows c ..."], pairs: Sequence[SetPair]) -> None:
        if not pairs:
            raise ValueError("there must be at least one pair of sample sets; got none")
        if not torch.isfinite(bank).all():
            raise ValueError("features must be finite; the network gives NaN or infinity there")
        self.bank = bank
        self.pairs = tuple(pairs)
        self.num_samples = max(max(len(p.first), len(p.second)) for p in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def draw(self, stream: torch.Generator) -> PairBatch:
        """Each pair's samples in a new random order, every sample at least once.

        The smaller set of a pair, and pairs smaller than the largest, are filled up by going
        round again, so that all pairs have as many sample pairs.
        """
        first, second = [], []
        for pair in self.pairs:
            order = _order(len(pair.first), self.num_samples, stream)
            other = order if pair.one_to_one else _order(len(pair.second), self.num_samples, stream)
            first.append(torch.tensor(pair.first)[order])
            second.append(torch.tensor(pair.second)[other])
        device = self.bank.device
        return PairBatch(
            first=torch.stack(first).to(device),
            second=torch.stack(second).to(device),
            first_class=torch.tensor([p.first_class for p in self.pairs], device=device),
            second_class=torch.tensor([p.second_class for p in self.pairs], device=device),
        )


def _order(size: int, count: int, stream: torch.Generator) -> Int[Tensor, " n"]:
    rounds = -(-count // size)
    return torch.cat([torch.randperm(size, generator=stream) for _ in range(rounds)])[:count]
