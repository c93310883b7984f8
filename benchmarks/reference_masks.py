"""Mask optimisation as the released code does it: the reference that benchmarks/masks.py times.

One pair of sets after another, two head calls a step, gradients for the weights that nobody asks
for, every epoch of the schedule. Each shortcut can be switched on by itself, for the ladder.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair

LEARNING_RATE, ALPHA, LARGE, START = 0.05, 0.1, 100.0, 4.0


@dataclass(frozen=True, kw_only=True)
class Shortcuts:
    """What the loop does better than the released code.

    Args:
        one_call: Both directions in one head call.
        frozen: No gradients for the head's weights.
    """

    one_call: bool = False
    frozen: bool = False


def reference_mask(
    head: nn.Module, pairs: FeaturePairs, place: int, *, epochs: int, shortcuts: Shortcuts
) -> tuple[Tensor, float]:
    """The smallest feasible mask of one pair of sets, and its sum (infinite where there is none).

    Args:
        head: The part after the cut, with its batch norms as they are.
        pairs: Features and sets.
        place: Which pair.
        epochs: Steps, all of them taken.
        shortcuts: What is done better.
    """
    head.requires_grad_(not shortcuts.frozen)
    pair = pairs.pairs[place]
    raw = torch.full((pairs.bank.shape[1],), START, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=LEARNING_RATE)
    best, best_sum = torch.ones_like(raw), float("inf")
    for _ in range(epochs):
        first, second = _drawn(pairs, pair)
        mask = torch.tanh(raw) / 2 + 0.5
        share = mask.view(-1, *[1] * (first.dim() - 2))
        mixed = first * (1 - share) + second * share, second * (1 - share) + first * share
        targets = [
            torch.full((len(first),), label) for label in (pair.second_class, pair.first_class)
        ]
        if shortcuts.one_call:
            logits = list(head(torch.cat(mixed)).chunk(2))
        else:
            logits = [head(features) for features in mixed]
        loss, hits = mask.sum(), True
        for scores, labels in zip(logits, targets, strict=True):
            entropy = F.cross_entropy(scores, labels, reduction="none")
            loss = loss + (LARGE * (entropy.detach() > ALPHA) * entropy).mean()
            hits = hits and bool((scores.argmax(dim=1) == labels).all())
        if hits and float(mask.detach().sum()) < best_sum:
            best, best_sum = mask.detach().clone(), float(mask.detach().sum())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    head.zero_grad()
    head.requires_grad_(False)
    return best, best_sum


def _drawn(pairs: FeaturePairs, pair: SetPair) -> tuple[Tensor, Tensor]:
    """Features of one random pairing; the smaller set goes round again."""
    count = pair.num_samples
    first, second = torch.tensor(pair.first), torch.tensor(pair.second)
    places = torch.arange(count) % len(first), torch.arange(count) % len(second)
    if not pair.one_to_one:
        places = places[0], places[1][torch.randperm(count)]
    return pairs.bank[first[places[0]]], pairs.bank[second[places[1]]]
