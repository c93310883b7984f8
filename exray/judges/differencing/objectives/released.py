"""The losses of the released code: logit margins switched by accuracy."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from exray.judges.differencing.feature_pairs import Exchanges
from exray.judges.differencing.loss import logit_margin
from exray.judges.differencing.objectives.base import Barrier, MaskObjective, Weights


@dataclass(frozen=True, kw_only=True)
class AccuracyMargin(MaskObjective):
    """Mask sum plus, for a side that fails, its summed negative logit margin.

    A side fails while fewer of its samples change class than at a full exchange; there is no
    cross-entropy and no alpha.

    Args:
        weight: Of a failing side's margins; the released 10.

    Raises:
        ValueError: If the weight is not positive.

    Source: the released round 2 code and the authors' code of the paper (facts, section 1.2).
    *Differs from the released code:* the bar is what the first epoch reaches on all samples, not
    on its last batch; the first epoch takes a step; features pass no additional ReLU.
    """

    weight: float

    def __post_init__(self) -> None:
        _check_positive("weight", self.weight)

    def begin(self, num_pairs: int, device: torch.device) -> Barrier:
        """The state: each side's bar."""
        return _AccuracyBarrier(self.weight, num_pairs, device)


@dataclass(frozen=True, kw_only=True)
class SoftMargin(MaskObjective):
    """Per side half the mask sum where it holds, else its weighted negative margin.

    The weight doubles after ``double_after`` epochs without a new best mask.

    Args:
        weight: Of the margins at first; the released 10.
        double_after: Epochs without a new best mask and without a doubling.

    Raises:
        ValueError: If a number is not positive.

    Source: the released round 3 code (facts, section 1.2). *Differs from the released code:* as
    ``AccuracyMargin`` does.
    """

    weight: float
    double_after: int

    def __post_init__(self) -> None:
        _check_positive("weight", self.weight)
        _check_positive("double_after", self.double_after)

    def begin(self, num_pairs: int, device: torch.device) -> Barrier:
        """The state: each side's bar, each pair's weight."""
        return _SoftBarrier(self, num_pairs, device)


def _check_positive(name: str, value: float | int) -> None:
    if isinstance(value, str) or not value > 0:
        raise ValueError(f"{name} must be a positive number; got {value!r}")


class _AccuracyBarrier(Barrier):
    """Counts each side's hits against those of the first epoch, a full exchange."""

    def __init__(self, weight: float, num_pairs: int, device: torch.device) -> None:
        self.weight = torch.full((num_pairs,), float(weight), device=device)
        self.num_pairs = num_pairs
        self.bar = torch.full((num_pairs, 2), torch.inf, device=device)

    def terms(self, logits: Float[Tensor, "n k"], exchanges: Exchanges) -> Float[Tensor, " n"]:
        return -logit_margin(logits, exchanges.to_class, exchanges.from_class)

    def weights(
        self, terms: Float[Tensor, " n"], hits: Bool[Tensor, " n"], exchanges: Exchanges
    ) -> Weights:
        fails = ~self._holds(hits, exchanges)
        failing = fails[exchanges.pair, exchanges.side].to(terms.dtype)
        weight = self.weight.to(terms.dtype)[exchanges.pair]
        return Weights(size=self._size_weights(fails, terms.dtype), samples=failing * weight)

    def feasible(self, hits: Bool[Tensor, " n"], exchanges: Exchanges) -> Bool[Tensor, " pairs"]:
        return self._holds(hits, exchanges).all(dim=1)

    def _size_weights(
        self, fails: Bool[Tensor, "pairs 2"], dtype: torch.dtype
    ) -> Float[Tensor, " pairs"]:
        return torch.ones(len(fails), dtype=dtype, device=fails.device)

    def _holds(self, hits: Bool[Tensor, " n"], exchanges: Exchanges) -> Bool[Tensor, "pairs 2"]:
        """Which sides have as many hits as at the full exchange; a pair's first call sets that."""
        at = exchanges.pair * 2 + exchanges.side
        count = torch.bincount(at[hits], minlength=2 * self.num_pairs).view(-1, 2)
        seen = torch.bincount(at, minlength=2 * self.num_pairs).view(-1, 2) > 0
        new = seen & self.bar.isinf()
        self.bar = torch.where(new, count.to(self.bar.dtype), self.bar)
        return (count >= self.bar) & (count > 0)


class _SoftBarrier(_AccuracyBarrier):
    """The round 3 loss; remembers when each pair last had a new best mask."""

    def __init__(self, settings: SoftMargin, num_pairs: int, device: torch.device) -> None:
        super().__init__(settings.weight, num_pairs, device)
        self.double_after = settings.double_after
        self.last_change = torch.zeros(num_pairs, dtype=torch.long, device=device)

    def _size_weights(
        self, fails: Bool[Tensor, "pairs 2"], dtype: torch.dtype
    ) -> Float[Tensor, " pairs"]:
        return 0.5 * (~fails).to(dtype).sum(dim=1)

    def after_epoch(
        self,
        epochs: Int[Tensor, " pairs"],
        *,
        active: Bool[Tensor, " pairs"],
        improved: Bool[Tensor, " pairs"],
    ) -> None:
        self.last_change = torch.where(improved, epochs, self.last_change)
        due = active & (epochs - self.last_change >= self.double_after)
        self.weight = torch.where(due, 2 * self.weight, self.weight)
        self.last_change = torch.where(due, epochs, self.last_change)
