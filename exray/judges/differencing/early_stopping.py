"""The callback that stops the optimisation of pairs whose masks no longer shrink."""

from collections.abc import Sequence

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import STEP_OUTPUT

from exray.judges.differencing.mask_optimization import MaskOptimization

MIN_SHRINKAGE = 0.01  # relative drop of a mask's sum that counts as progress


class PairEarlyStopping(pl.Callback):
    """Stops each pair once its smallest mask has not shrunk by 1 % for a number of epochs.

    Ends the fit once no pair is left. A pair that was stopped keeps its state in the optimiser and
    its random stream, so that it continues as if it had never been stopped (``disable``).

    Args:
        optimization: What is stopped.

    Source: none; the paper optimises every mask for all epochs.
    """

    def __init__(self, optimization: MaskOptimization) -> None:
        self._epochs = optimization.settings.epochs
        self._sums = optimization.smallest.sums.clone()  # at each pair's last progress
        self._progress = torch.zeros_like(optimization.epochs)  # epoch of it
        self._patience = torch.full_like(self._progress, optimization.settings.patience)

    def disable(self, places: Sequence[int]) -> None:
        """Has some pairs take all epochs.

        Args:
            places: Which pairs.
        """
        self._patience[list(places)] = self._epochs

    def update(self, optimization: MaskOptimization) -> bool:
        """Chooses the pairs that the next epoch optimises.

        Args:
            optimization: After an epoch.

        Returns:
            Whether there are any.
        """
        sums, epochs = optimization.smallest.sums, optimization.epochs
        shrank = sums < (1 - MIN_SHRINKAGE) * self._sums
        self._sums = torch.where(shrank, sums, self._sums)
        self._progress = torch.where(shrank, epochs - 1, self._progress)
        active = (epochs - self._progress <= self._patience) & (epochs < self._epochs)
        optimization.active_pairs = active.nonzero().flatten().tolist()
        return bool(optimization.active_pairs)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Chooses the pairs of the first epoch."""
        self._stop_if_none_left(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Chooses the pairs of the next epoch."""
        del outputs, batch, batch_idx
        self._stop_if_none_left(trainer, pl_module)

    def _stop_if_none_left(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, MaskOptimization)
        trainer.should_stop = not self.update(module)
