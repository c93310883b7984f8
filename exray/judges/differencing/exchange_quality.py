"""How well masks exchange the classes of their sets: the accuracies of equation (6)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from exray.judges.differencing.feature_pairs import FeaturePairs, Pairing, selected
from exray.judges.differencing.head_runner import HeadCalls, HeadSettings
from exray.judges.differencing.loss import exchange
from exray.seeding import derive_seed

_CHECK_ROUNDS = 4  # random pairings over which accuracies are averaged; one to one has a single one


@dataclass(frozen=True, kw_only=True)
class ExchangeQuality:
    """How well masks exchange the classes of their sets.

    Args:
        accuracy: For each pair the share of the first set's samples taken for the second class
            once the second's features are copied in, and in the reverse direction. In float64: in
            float32 eight hits of ten exceed 0.8.
        cross_entropy: The mean cross-entropies of the two, in nats.
    """

    accuracy: Float[Tensor, "pairs 2"]
    cross_entropy: Float[Tensor, "pairs 2"]


@torch.no_grad()
def exchange_quality(
    head: nn.Module,
    pairs: FeaturePairs,
    masks: Float[Tensor, "pairs c"],
    *,
    compute: HeadSettings,
    seed: int,
) -> ExchangeQuality:
    """How often exchanging the masked features changes the class as (1) and (2) ask.

    Args:
        head: The part after the cut.
        pairs: Features and pairings.
        masks: One mask per pair.
        compute: How the head is run.
        seed: Of the random pairings over which the shares are averaged.

    Source: EX-RAY, section 3.2, equation (6).
    """
    calls = HeadCalls(head, compute, bank=pairs.bank)
    fits = calls.samples_per_call(1)
    hits = torch.zeros(len(pairs) * 2, dtype=torch.float64, device=pairs.bank.device)
    entropies, counts = torch.zeros_like(hits), torch.zeros_like(hits)
    pairing = Pairing(pairs, schedule="each_epoch", seed=derive_seed(seed, "quality"))
    at_random = [place for place, pair in enumerate(pairs.pairs) if not pair.one_to_one]
    for drawn in [list(range(len(pairs))), *[at_random] * (_CHECK_ROUNDS - 1)]:
        if not drawn:
            break
        exchanges = pairing.draw(drawn)
        for places in torch.split(torch.arange(len(exchanges.own), device=hits.device), fits):
            part = selected(exchanges, places)
            own, other = calls.features(part.own), calls.features(part.other)
            logits = calls(exchange(own, other, masks[part.pair]))
            at = part.pair * 2 + part.side
            hits.index_add_(0, at, (logits.argmax(dim=1) == part.to_class).double())
            entropy = F.cross_entropy(logits, part.to_class, reduction="none")
            entropies.index_add_(0, at, entropy.double())
            counts.index_add_(0, at, torch.ones_like(entropy, dtype=torch.float64))
    return ExchangeQuality(
        accuracy=(hits / counts).view(-1, 2),
        cross_entropy=(entropies / counts).view(-1, 2),
    )
