"""The interface of mask objectives."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from exray.judges.differencing.feature_pairs import Exchanges


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights of the loss's parts in this epoch.

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
        """The terms that the loss sums over the exchanges, differentiable."""

    @abstractmethod
    def weights(
        self, terms: Float[Tensor, " n"], hits: Bool[Tensor, " n"], exchanges: Exchanges
    ) -> Weights:
        """Weights by which constraints are satisfied now.

        Args:
            terms: As ``terms`` returned them, detached.
            hits: Which exchanges lead to the class they should.
            exchanges: All exchanges of some pairs.
        """

    @abstractmethod
    def feasible(self, hits: Bool[Tensor, " n"], exchanges: Exchanges) -> Bool[Tensor, " pairs"]:
        """Which pairs' masks are feasible; of no meaning for pairs not in ``exchanges``.

        Args:
            hits: Which exchanges lead to the class they should.
            exchanges: All exchanges of some pairs.
        """

    def satisfied_with_margin(self, terms: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Which exchanges are satisfied with margin, so that they may be skipped for a while.

        Args:
            terms: As ``terms`` returned them, detached.
        """
        return torch.zeros_like(terms, dtype=torch.bool)

    def after_epoch(
        self,
        epochs: Int[Tensor, " pairs"],
        *,
        active: Bool[Tensor, " pairs"],
        improved: Bool[Tensor, " pairs"],
    ) -> None:
        """Updates the state after an epoch; by default there is none to update.

        Args:
            epochs: How many each pair had before it.
            active: Which pairs took part.
            improved: Which of them have a new best mask.
        """
        del epochs, active, improved


class MaskObjective(ABC):
    """The settings of a loss; ``begin`` returns its running state."""

    @abstractmethod
    def begin(self, num_pairs: int, device: torch.device) -> Barrier:
        """The state for a number of pairs."""
