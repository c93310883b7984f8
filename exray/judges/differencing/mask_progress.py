"""The callback that reports how far the mask optimisation is."""

from collections.abc import Callable

import pytorch_lightning as pl
from pytorch_lightning.utilities.types import STEP_OUTPUT

STAGE = "masks"


class MaskProgress(pl.Callback):
    """Reports each epoch of the masks; pairs that are stopped early make the last ones fast.

    Args:
        progress: Called with the stage's name, the epochs done and the epochs in all.
        epochs: Epochs in all.
    """

    def __init__(self, progress: Callable[[str, int, int], None], epochs: int) -> None:
        self._progress = progress
        self._epochs = epochs

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Reports that nothing is done."""
        del trainer, pl_module
        self._progress(STAGE, 0, self._epochs)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Reports the epochs that are done; a batch is an epoch of the paper's."""
        del trainer, pl_module, outputs, batch
        self._progress(STAGE, batch_idx + 1, self._epochs)
