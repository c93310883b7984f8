"""The interface of mask objectives."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from exray.judges.differencing.feature_pairs import Exchanges


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much everything counts in the loss of this epoch.

    Args:
        size: Of each pair's mask sum.
        samples: Of each exchange's term; where 0, the exchange needs no gradient.
    """

    size: Float[Tensor, " pairs"]
    samples: Float[Tensor, " n"]


class Barrier(ABC):
    """The running state of one optimisation: terms, their weights, and feasibility."""

    @abstractmethod
    def terms(self, logits: Float[Tensor, "n k"], exchanges: Exchanges) -> Float[Tensor, " n"]:
        """What the loss sums over the exchanges, differentiable."""

    @abstractmethod
    def weights(
        self, terms: Float[Tensor, " n"], hits: Bool[Tensor, " n"], exchanges: Exchanges
    ) -> Weights:
        """Weights by what holds now.

        Args:
            terms: As ``terms`` gave them, detached.
            hits: Which exchanges have the wanted class.
            exchanges: All exchanges of some pairs.
        """

    @abstractmethod
    def feasible(self, hits: Bool[Tensor, " n"], exchanges: Exchanges) -> Bool[Tensor, " pairs"]:
        """Which pairs' masks do what is asked; of no meaning for pairs not in ``exchanges``."""

    def easy(self, terms: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Which exchanges hold with room to spare, and need not be looked at for a while.

        Args:
            terms: As ``terms`` gave them, detached.
        """
        return torch.zeros_like(terms, dtype=torch.bool)

    def after_epoch(
        self,
        epochs: Int[Tensor, " pairs"],
        *,
        active: Bool[Tensor, " pairs"],
        improved: Bool[Tensor, " pairs"],
    ) -> None:
        """Takes note of an epoch; by default of nothing.

        Args:
            epochs: How many each pair had before it.
            active: Which pairs took part.
            improved: Which of them have a new best mask.
        """
        del epochs, active, improved


class MaskObjective(ABC):
    """The settings of a loss; ``begin`` makes its running state."""

    @abstractmethod
    def begin(self, num_pairs: int, device: torch.device) -> Barrier:
        """The state for a number of pairs."""
