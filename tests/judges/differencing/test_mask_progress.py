"""How far the mask optimisation is, as it is reported."""

from pytorch_lightning import LightningModule, Trainer

from exray.judges.differencing.mask_progress import STAGE, MaskProgress


def test_each_epoch_is_a_step_of_the_stage():
    calls = []
    watched = MaskProgress(lambda *step: calls.append(step), 5)
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    watched.on_train_start(trainer, LightningModule())
    for epoch in range(3):
        watched.on_train_batch_end(trainer, LightningModule(), None, None, epoch)
    assert calls == [(STAGE, done, 5) for done in range(4)]
