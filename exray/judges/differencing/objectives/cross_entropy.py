"""The paper's loss with its barrier, and when a mask is feasible."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from exray.judges.differencing.feature_pairs import Exchanges
from exray.judges.differencing.loss import barrier_weights
from exray.judges.differencing.objectives.base import Barrier, MaskObjective, Weights
from exray.rules.base import Direction

_MARGIN = 0.5  # share of alpha under which an exchange is satisfied with margin
_SIDES = {"both": (0, 1), "victim_to_target": (0,), "target_to_victim": (1,)}


@dataclass(frozen=True, kw_only=True)
class CrossEntropyBarrier(MaskObjective):
    """The paper's loss (4): mask sum plus each constraint's cross-entropy, weighted by a barrier.

    Args:
        alpha: Cross-entropy under which a constraint counts as satisfied, in nats (section 3.1).
        weight_large: Weight of a violated constraint.
        weight_small: Weight of a satisfied one.
        direction: ``both`` for the paper's symmetric constraints; one of the two one-sided
            baselines keeps (1) or (2) alone (section 4.1).

    Raises:
        ValueError: If a number is out of its range.

    Source: EX-RAY, section 3.1, equations (3) and (4). *Differs from the paper:* the sum over the
    sample pairs is divided by their number, which changes no minimum and keeps one learning rate
    right for any number of samples. The paper leaves both weights open; those of
    ``conf/mask/exray.yaml`` were chosen in ``experiments/mask_weights``.
    """

    alpha: float
    weight_large: float
    weight_small: float
    direction: Direction

    def __post_init__(self) -> None:
        if isinstance(self.alpha, str) or not self.alpha > 0:
            raise ValueError(f"alpha must be a positive number; got {self.alpha!r}")
        if not self.weight_large > self.weight_small >= 0:
            raise ValueError(
                "weight_large must exceed weight_small >= 0; "
                f"got {self.weight_large} and {self.weight_small}"
            )

    def begin(self, num_pairs: int, device: torch.device) -> Barrier:
        """The state; this loss needs none but the number of pairs."""
        return _CrossEntropy(self, num_pairs, device)


class _CrossEntropy(Barrier):
    """Cross-entropies with per-sample weights."""

    def __init__(self, settings: CrossEntropyBarrier, num_pairs: int, device: torch.device) -> None:
        self.settings = settings
        self.num_pairs = num_pairs
        counted = torch.zeros(2, device=device)
        counted[list(_SIDES[settings.direction])] = 1
        self.counted = counted

    def terms(self, logits: Float[Tensor, "n k"], exchanges: Exchanges) -> Float[Tensor, " n"]:
        return F.cross_entropy(logits, exchanges.to_class, reduction="none")

    def weights(
        self, terms: Float[Tensor, " n"], hits: Bool[Tensor, " n"], exchanges: Exchanges
    ) -> Weights:
        del hits
        bounds = self.settings
        barrier = barrier_weights(
            terms, alpha=bounds.alpha, large=bounds.weight_large, small=bounds.weight_small
        )
        counts = torch.bincount(exchanges.pair, minlength=self.num_pairs)
        share = 2 / counts.to(terms.dtype)[exchanges.pair]  # two exchanges a sample pair
        counted = self.counted.to(terms.dtype)[exchanges.side]
        return Weights(size=terms.new_ones(self.num_pairs), samples=barrier * share * counted)

    def feasible(self, hits: Bool[Tensor, " n"], exchanges: Exchanges) -> Bool[Tensor, " pairs"]:
        missed = ~hits & (self.counted[exchanges.side] > 0)
        return torch.bincount(exchanges.pair[missed], minlength=self.num_pairs) == 0

    def satisfied_with_margin(self, terms: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
        bounds = self.settings
        return terms < (_MARGIN * bounds.alpha if bounds.weight_small == 0 else -torch.inf)
