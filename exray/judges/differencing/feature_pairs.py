"""Pairs of sample sets whose features are exchanged, and how their samples are paired."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.seeding import generator

PairingSchedule = Literal["each_epoch", "once"]


@dataclass(frozen=True, kw_only=True)
class SetPair:
    """Two sets of samples, as rows of one bank of features.

    Args:
        first: Rows of the first set.
        second: Rows of the second.
        first_class: Class that the first set's samples have.
        second_class: Class that the second set's samples have, or are taken for.
        one_to_one: Whether row i of one belongs to row i of the other (an image and the same
            image stamped); otherwise they are paired at random.

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

    @property
    def num_samples(self) -> int:
        """Sample pairs per epoch: as many as the larger set has samples."""
        return max(len(self.first), len(self.second))


class Exchanges(NamedTuple):
    """Samples that take over other samples' features, both directions of every pair in one list.

    ``own`` and ``other`` are rows of the bank; ``pair`` is the index of the pair of sets and
    ``side`` the direction, 0 where the first set's sample takes the second's features, equation
    (1), and 1 for the reverse, equation (2); ``from_class`` is the sample's class before the
    exchange, ``to_class`` the class it should have afterwards.
    """

    own: Int[Tensor, " n"]
    other: Int[Tensor, " n"]
    pair: Int[Tensor, " n"]
    side: Int[Tensor, " n"]
    to_class: Int[Tensor, " n"]
    from_class: Int[Tensor, " n"]


def selected(exchanges: Exchanges, places: Int[Tensor, " m"]) -> Exchanges:
    """Some of the exchanges."""
    return Exchanges(*(column[places] for column in exchanges))


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

    def __len__(self) -> int:
        return len(self.pairs)


class Pairing:
    """Draws which sample of a pair's first set meets which of its second.

    Every pair has a random stream of its own, seeded by its two classes: what is drawn for a pair
    does not depend on which other pairs there are. Sets that map one to one are never shuffled.

    Args:
        pairs: Sets of rows.
        schedule: ``each_epoch`` draws anew at every call, as the paper says; ``once`` keeps the
            first draw, as the released code does (facts, section 1.4).
        seed: Of the streams.

    Source: EX-RAY, section 3.1.
    """

    def __init__(self, pairs: FeaturePairs, *, schedule: PairingSchedule, seed: int) -> None:
        self._pairs = pairs.pairs
        self._device = pairs.bank.device
        self._schedule = schedule
        self._streams = [
            generator(seed, "pairing", pair.first_class, pair.second_class) for pair in self._pairs
        ]
        self._constant: dict[int, Int[Tensor, "6 n"]] = {}

    def draw(self, places: Sequence[int]) -> Exchanges:
        """Both directions of the pairs at ``places``, every sample at least once."""
        columns = torch.cat([self._columns(place) for place in places], dim=1)
        return Exchanges(*columns.to(self._device).unbind(0))

    def _columns(self, place: int) -> Int[Tensor, "6 n"]:
        constant = self._constant.get(place)
        if constant is not None:
            return constant
        pair = self._pairs[place]
        columns = _columns(pair, place, self._streams[place])
        if pair.one_to_one or self._schedule == "once":
            self._constant[place] = columns
        return columns


def _columns(pair: SetPair, place: int, stream: torch.Generator) -> Int[Tensor, "6 n"]:
    """One pair's exchanges, the columns of ``Exchanges`` stacked."""
    first, second = torch.tensor(pair.first), torch.tensor(pair.second)
    if not pair.one_to_one:
        first = first[_order(len(first), pair.num_samples, stream)]
        second = second[_order(len(second), pair.num_samples, stream)]
    zeros = torch.zeros_like(first)
    columns = [
        (first, second),
        (second, first),
        (zeros + place, zeros + place),
        (zeros, zeros + 1),
        (zeros + pair.second_class, zeros + pair.first_class),
        (zeros + pair.first_class, zeros + pair.second_class),
    ]
    return torch.stack([torch.cat(column) for column in columns])


def _order(size: int, count: int, stream: torch.Generator) -> Int[Tensor, " n"]:
    """A random order; a set smaller than ``count`` is sampled with repetition, cyclically."""
    rounds = -(-count // size)
    return torch.cat([torch.randperm(size, generator=stream) for _ in range(rounds)])[:count]
