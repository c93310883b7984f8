"""Runs mask optimisation under a lean Trainer and measures what its masks do."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from exray.differencing.feature_pairs import FeaturePairs
from exray.differencing.mask_optimization import (
    MaskOptimization,
    MaskSettings,
    exchanged_logits,
)
from exray.tensors import generator

_CHECK_ROUNDS = 4  # random pairings over which accuracies are averaged


@dataclass(frozen=True, kw_only=True)
class MaskResult:
    """The smallest feasible mask of every pair.

    Args:
        masks: One mask a pair; all ones where none was feasible.
        converged: Where one was.
        best_epoch: Epoch that gave it; -1 where none did.
    """

    masks: Float[Tensor, "pairs c"]
    converged: Bool[Tensor, " pairs"]
    best_epoch: Int[Tensor, " pairs"]


def find_masks(head: nn.Module, pairs: FeaturePairs, settings: MaskSettings) -> MaskResult:
    """The smallest masks whose exchange flips both sets of every pair, found together.

    Args:
        head: The frozen part of the network after the cut.
        pairs: Features and pairings.
        settings: The optimisation's numbers.

    Source: EX-RAY, section 3.1.
    """
    module = MaskOptimization(head, pairs, settings)
    with _advice_ignored():
        _lean_trainer(pairs.bank.device).fit(module)
    return MaskResult(
        masks=module.best.to(pairs.bank.device),
        converged=module.converged.to(pairs.bank.device),
        best_epoch=module.best_epoch,
    )


@torch.no_grad()
def exchange_accuracies(
    head: nn.Module, pairs: FeaturePairs, masks: Float[Tensor, "pairs c"], *, seed: int
) -> Float[Tensor, "pairs 2"]:
    """How often exchanging the masked features changes the class as (1) and (2) ask.

    Args:
        head: The part after the cut.
        pairs: Features and pairings.
        masks: One mask a pair.
        seed: Of the random pairings over which the shares are averaged.

    Returns:
        For each pair the share of the first set's samples taken for the second class once the
        second's features are copied in, and the reverse.

    Source: EX-RAY, section 3.2, equation (6).
    """
    stream = generator(seed, "accuracies")
    bank_device = pairs.bank.device
    hits = []
    for _ in range(_CHECK_ROUNDS):
        batch = pairs.draw(stream)
        per_pair = []
        for index in range(len(pairs)):
            rows = torch.tensor([index], device=bank_device)
            logits, labels = exchanged_logits(head, pairs.bank, batch, masks[rows], rows)
            per_pair.append((logits.argmax(dim=-1) == labels).double().mean(dim=2)[:, 0])
        hits.append(torch.stack(per_pair))
    return torch.stack(hits).mean(dim=0).to(masks.dtype)


@contextmanager
def _advice_ignored() -> Iterator[None]:
    """Silences Lightning where it warns of what is meant here."""
    with warnings.catch_warnings():
        # One batch an epoch, drawn in memory: workers would only copy it.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # The head is frozen.
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
        # Lightning 2.6 builds a class that newer torch deprecates.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        yield


def _lean_trainer(device: torch.device) -> pl.Trainer:
    """A Trainer without logger, checkpoints, bars, summary and sanity checks."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return pl.Trainer(
        max_epochs=1,
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
