"""Runs mask optimisation under a lean Trainer and measures what its masks do."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from exray.judges.differencing.feature_pairs import FeaturePairs, Pairing, selected
from exray.judges.differencing.head_runner import HeadCalls, HeadSettings
from exray.judges.differencing.loss import exchange
from exray.judges.differencing.mask_optimization import MaskOptimization, MaskSettings
from exray.seeding import derive_seed

_CHECK_ROUNDS = 4  # random pairings over which accuracies are averaged


@dataclass(frozen=True, kw_only=True)
class MaskResult:
    """The smallest feasible mask of every pair.

    Args:
        masks: One mask a pair; all ones where none was feasible.
        converged: Where one was.
        best_epoch: Epoch that gave it; -1 where none did.
        epochs: Epochs that each pair took part in.
    """

    masks: Float[Tensor, "pairs c"]
    converged: Bool[Tensor, " pairs"]
    best_epoch: Int[Tensor, " pairs"]
    epochs: Int[Tensor, " pairs"]


class MaskSearch:
    """Finds the smallest masks of all pairs together, and goes on with some where asked.

    Args:
        head: The frozen part of the network after the cut.
        pairs: Features and pairings.
        settings: The optimisation's numbers.
    """

    def __init__(self, head: nn.Module, pairs: FeaturePairs, settings: MaskSettings) -> None:
        self._module = MaskOptimization(head, pairs, settings)
        self._device = pairs.bank.device

    def run(self) -> MaskResult:
        """The masks once every pair rests or has taken all epochs."""
        module = self._module
        with _advice_ignored():
            _lean_trainer(self._device).fit(module)
        return MaskResult(
            masks=module.best.clone(),
            converged=module.converged,
            best_epoch=module.best_epoch.clone(),
            epochs=module.epochs.clone(),
        )

    def run_whole(self, places: Sequence[int]) -> MaskResult:
        """All masks again, once the pairs at ``places`` have taken all epochs."""
        self._module.wake(list(places))
        return self.run()


def find_masks(head: nn.Module, pairs: FeaturePairs, settings: MaskSettings) -> MaskResult:
    """The smallest masks whose exchange flips both sets of every pair, found together.

    Args:
        head: The frozen part of the network after the cut.
        pairs: Features and pairings.
        settings: The optimisation's numbers.

    Source: EX-RAY, section 3.1.
    """
    return MaskSearch(head, pairs, settings).run()


@dataclass(frozen=True, kw_only=True)
class ExchangeQuality:
    """How well masks exchange the classes of their sets.

    Args:
        accuracy: For each pair the share of the first set's samples taken for the second class
            once the second's features are copied in, and the reverse. In float64: in float32
            eight hits of ten exceed 0.8.
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
        masks: One mask a pair.
        compute: How the head is run.
        seed: Of the random pairings over which the shares are averaged.

    Source: EX-RAY, section 3.2, equation (6).
    """
    calls = HeadCalls(head, compute, bank=pairs.bank)
    fits = calls.samples_per_call(1)
    hits = torch.zeros(len(pairs) * 2, dtype=torch.float64, device=pairs.bank.device)
    entropies, counts = torch.zeros_like(hits), torch.zeros_like(hits)
    pairing = Pairing(pairs, schedule="each_epoch", seed=derive_seed(seed, "quality"))
    for _ in range(_CHECK_ROUNDS):
        exchanges = pairing.draw(range(len(pairs)))
        for places in torch.split(torch.arange(len(exchanges.own), device=hits.device), fits):
            part = selected(exchanges, places)
            own, other = calls.features(part.own), calls.features(part.other)
            logits = calls(exchange(own, other, masks[part.pair]))
            at = part.pair * 2 + part.side
            hits.index_add_(0, at, (logits.argmax(dim=1) == part.wanted).double())
            entropy = F.cross_entropy(logits, part.wanted, reduction="none")
            entropies.index_add_(0, at, entropy.double())
            counts.index_add_(0, at, torch.ones_like(entropy, dtype=torch.float64))
    return ExchangeQuality(
        accuracy=(hits / counts).view(-1, 2),
        cross_entropy=(entropies / counts).view(-1, 2),
    )


@contextmanager
def _advice_ignored() -> Iterator[None]:
    """Silences Lightning where it warns of what is meant here."""
    with warnings.catch_warnings():
        # One batch an epoch, drawn in memory: workers would only copy it.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # The masks have their own Adam.
        warnings.filterwarnings("ignore", message=".*will run with no optimizer.*")
        # The head is frozen.
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
        # On a cluster's node the scan is one process all the same.
        warnings.filterwarnings("ignore", message=".*`srun` command is available.*")
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
