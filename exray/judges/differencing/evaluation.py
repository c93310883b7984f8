"""What one epoch measures of the current masks, and what of it goes to a logger."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from exray.judges.differencing.feature_pairs import Exchanges


class Evaluation(NamedTuple):
    """What an epoch measured of some pairs' current masks.

    ``feasible`` says which masks change every sample's class as (1) and (2) ask; ``exchanges`` are
    those that were evaluated, with their ``logits``.
    """

    rows: Int[Tensor, " pairs"]
    masks: Float[Tensor, "pairs c"]
    feasible: Bool[Tensor, " pairs"]
    exchanges: Exchanges
    logits: Float[Tensor, "m k"]


def epoch_metrics(evaluations: Sequence[Evaluation]) -> dict[str, Float[Tensor, ""]]:
    """What an epoch reports to a logger, over the pairs that took part.

    Args:
        evaluations: Of all active pairs.

    Returns:
        The mean mask sum, the mean cross-entropies of the constraints (1) and (2) in nats over the
        exchanges that were evaluated, the share of masks that are feasible, and the number of
        pairs.
    """
    masks = torch.cat([part.masks for part in evaluations])
    feasible = torch.cat([part.feasible for part in evaluations])
    sides = torch.cat([part.exchanges.side for part in evaluations])
    entropies = torch.cat(
        [
            F.cross_entropy(part.logits, part.exchanges.to_class, reduction="none")
            for part in evaluations
        ]
    )
    return {
        "mask_sum": masks.sum(dim=1).mean(),
        "cross_entropy_first_to_second": entropies[sides == 0].mean(),
        "cross_entropy_second_to_first": entropies[sides == 1].mean(),
        "feasible": feasible.to(masks.dtype).mean(),
        "active_pairs": torch.tensor(float(len(masks))),
    }
