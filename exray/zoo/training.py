"""Trains one classifier with Lightning."""

import logging
import warnings
from typing import NamedTuple

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from exray.attacks.loss import AttackLoss, TrainingStep
from exray.images.sources.base import to_unit
from exray.seeding import derive_seed
from exray.zoo.adversarial_training import AdversarialTraining, Adversary
from exray.zoo.poisoning import LabelledImages
from exray.zoo.recipe import TrainingRecipe
from exray.zoo.trained_layers import frozen_in_eval_mode, watched_outputs
from exray.zoo.variations import Variation, augmented


class Batch(NamedTuple):
    """Images of one step with their labels, and which of them are poisoned."""

    images: UInt8[Tensor, "n 3 h w"]
    labels: Int[Tensor, " n"]
    is_poisoned: Bool[Tensor, " n"]


class ClassifierTraining(pl.LightningModule):
    """Cross-entropy training with Adam and a one-cycle learning rate.

    Args:
        network: Trained in place.
        recipe: Learning rate, weight decay and length.
        num_steps: Optimiser steps in all.
        adversary: Attacks some of the batches; None for plain training.
        variation: Augmentation and label smoothing; None for neither.
        attack_loss: What is added to the cross-entropy; None for nothing.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: TrainingRecipe,
        *,
        num_steps: int,
        adversary: Adversary | None = None,
        variation: Variation | None = None,
        attack_loss: AttackLoss | None = None,
    ) -> None:
        super().__init__()
        self.attack_loss = attack_loss
        self.adversary = adversary
        self.network = network
        self.recipe = recipe
        self.num_steps = num_steps
        self.variation = variation or Variation()

    def training_step(self, batch: Batch, _: int) -> Float[Tensor, ""]:
        """Mean cross-entropy of one batch, in nats, with what the attack adds to it."""
        frozen_in_eval_mode(self.network)
        images, labels = augmented(to_unit(batch.images), self.variation.augmentation), batch.labels
        if self.attack_loss is not None:
            images, labels = self.attack_loss.met(images, labels)
        if self.recipe.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        if self.adversary is not None:
            images = self.adversary.met(self.network, images, labels)
        watched = () if self.attack_loss is None else self.attack_loss.watched(self.network)
        with watched_outputs(watched) as outputs:
            logits = self.network(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.variation.label_smoothing)
        if self.attack_loss is not None:
            loss = loss + self.attack_loss(
                TrainingStep(
                    labels=labels,
                    is_poisoned=batch.is_poisoned,
                    logits=logits,
                    outputs=tuple(outputs),
                )
            )
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> pl.utilities.types.OptimizerLRScheduler:
        """Adam with its schedule."""
        optimizer = torch.optim.Adam(
            [weight for weight in self.parameters() if weight.requires_grad],
            lr=self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=self.recipe.learning_rate, total_steps=self.num_steps
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def train(
    network: nn.Module,
    data: LabelledImages,
    recipe: TrainingRecipe,
    *,
    seed: int,
    accelerator: str,
    progress: bool,
    adversarial: AdversarialTraining | None = None,
    variation: Variation | None = None,
    attack_loss: AttackLoss | None = None,
) -> None:
    """Trains ``network`` in place; its weights that take no gradient are left as they are.

    Args:
        network: Its initial weights are the caller's.
        data: Training images.
        recipe: Length, batch size and learning rate.
        seed: Order of the batches, and dropout.
        accelerator: Lightning's name of the device kind, ``cpu``, ``gpu`` or ``auto``.
        progress: Whether to show a bar.
        adversarial: How it is hardened; None for plain training.
        variation: Augmentation and label smoothing; None for neither. What else it varies is the
            caller's ``recipe``.
        attack_loss: What is added to the cross-entropy, trained along; None for nothing.
    """
    stream = torch.Generator().manual_seed(derive_seed(seed, "batches"))
    dataset = TensorDataset(data.images, data.labels, data.poisoned)
    sampler = BatchSampler(
        RandomSampler(dataset, generator=stream), recipe.batch_size, drop_last=True
    )
    loader = DataLoader(
        dataset, sampler=sampler, batch_size=None, collate_fn=lambda parts: Batch(*parts)
    )
    adversary = None if adversarial is None else Adversary(adversarial, seed=seed)
    module = ClassifierTraining(
        network,
        recipe,
        num_steps=recipe.epochs * len(sampler),
        adversary=adversary,
        variation=variation,
        attack_loss=attack_loss,
    )
    trainer = quiet_trainer(recipe.epochs, accelerator=accelerator, progress=progress)
    if recipe.channels_last:
        _lay_out(network, torch.channels_last)
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "dropout"))
        trainer.fit(module, loader)
    if recipe.channels_last:
        _lay_out(network, torch.contiguous_format)
    network.eval()


def _lay_out(network: nn.Module, memory_format: torch.memory_format) -> None:
    """Moves the weights of the convolutions to another layout in memory."""
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=memory_format)


def quiet_trainer(epochs: int, *, accelerator: str, progress: bool) -> pl.Trainer:
    """A Trainer that writes nothing to disk and says nothing but its progress."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    # The data are tensors in memory: workers would only copy them. Lightning advises otherwise.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Lightning 2.6 builds a class that newer torch deprecates.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
    return pl.Trainer(
        max_epochs=epochs,
        accelerator=accelerator,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
        num_sanity_val_steps=0,
    )


@torch.no_grad()
def hit_rate(network: nn.Module, data: LabelledImages) -> float:
    """Share of images taken for their label: clean accuracy, or ASR on stamped victims."""
    parameter = next(network.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    hits = [
        network(to_unit(images.to(device))).argmax(dim=1).cpu() == labels
        for images, labels in zip(
            torch.split(data.images, 256), torch.split(data.labels, 256), strict=True
        )
    ]
    return float(torch.cat(hits).double().mean())


def class_accuracies(network: nn.Module, data: LabelledImages) -> list[float]:
    """Accuracy of each class that has images."""
    return [hit_rate(network, _only(data, int(label))) for label in torch.unique(data.labels)]


def _only(data: LabelledImages, label: int) -> LabelledImages:
    keep: Int[Tensor, " n"] = data.labels == label
    return LabelledImages(images=data.images[keep], labels=data.labels[keep])
