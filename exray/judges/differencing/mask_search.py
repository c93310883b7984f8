"""Runs the mask optimisation under a lean Trainer."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from jaxtyping import Bool, Float, Int
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn

from exray.judges.differencing.early_stopping import PairEarlyStopping
from exray.judges.differencing.feature_pairs import FeaturePairs
from exray.judges.differencing.mask_optimization import MaskOptimization, MaskSettings


@dataclass(frozen=True, kw_only=True)
class MaskResult:
    """The smallest feasible mask of every pair.

    Args:
        masks: One mask per pair; all ones where none was feasible.
        converged: Where one was.
        best_epoch: Epoch that gave it; -1 where none did.
        epochs: Epochs that each pair took part in.
    """

    masks: Float[Tensor, "pairs c"]
    converged: Bool[Tensor, " pairs"]
    best_epoch: Int[Tensor, " pairs"]
    epochs: Int[Tensor, " pairs"]


class MaskSearch:
    """Optimises the masks of all pairs together, and continues without early stopping where asked.

    Args:
        head: The frozen part of the network after the cut.
        pairs: Features and pairings.
        settings: The optimisation's numbers.
        logger: Any Lightning logger, to which each epoch's mean mask sum, cross-entropies and
            share of feasible masks are logged; None logs nothing.
        callbacks: Lightning callbacks beside the early stopping of pairs.
    """

    def __init__(
        self,
        head: nn.Module,
        pairs: FeaturePairs,
        settings: MaskSettings,
        *,
        logger: Logger | None = None,
        callbacks: Sequence[pl.Callback] = (),
    ) -> None:
        self.optimization = MaskOptimization(head, pairs, settings)
        self._early_stopping = PairEarlyStopping(self.optimization)
        self._callbacks = [*callbacks, self._early_stopping]
        self._logger = logger

    def run(self) -> MaskResult:
        """The masks once every pair is stopped or has taken all epochs."""
        module = self.optimization
        with _warning_ignored():
            _trainer(module.logits.device, self._logger, self._callbacks).fit(module)
        return MaskResult(
            masks=module.smallest.masks.clone(),
            converged=module.smallest.feasible,
            best_epoch=module.smallest.epochs.clone(),
            epochs=module.epochs.clone(),
        )

    def run_all_epochs(self, places: Sequence[int]) -> MaskResult:
        """All masks again, once the pairs at ``places`` have taken all epochs.

        Args:
            places: The pairs that are no longer stopped early.
        """
        self._early_stopping.disable(places)
        return self.run()


def find_masks(head: nn.Module, pairs: FeaturePairs, settings: MaskSettings) -> MaskResult:
    """The smallest masks whose exchange flips both sets of every pair, optimised together.

    Args:
        head: The frozen part of the network after the cut.
        pairs: Features and pairings.
        settings: The optimisation's numbers.

    Source: EX-RAY, section 3.1.
    """
    return MaskSearch(head, pairs, settings).run()


@contextmanager
def _warning_ignored() -> Iterator[None]:
    """Silences a warning: Lightning 2.6 builds a class that newer torch deprecates."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        yield


def _trainer(
    device: torch.device, logger: Logger | None, callbacks: Sequence[pl.Callback]
) -> pl.Trainer:
    """A Trainer without checkpoints, bars, summary and sanity checks.

    All epochs of the paper are one of Lightning's, whose own cost more than a step of ours.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return pl.Trainer(
        max_epochs=1,
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        plugins=[LightningEnvironment()],  # one process, on a cluster's node too
        callbacks=list(callbacks),
        logger=logger or False,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
