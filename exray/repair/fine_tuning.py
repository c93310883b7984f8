"""Fine-tuning of a classifier on clean and stamped images with their true labels."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier, Preprocessing
from exray.repair.stamping import TriggerStamper
from exray.repair.trainable import trainable_copy
from exray.seeding import derive_seed, generator
from exray.triggers.base import InvertedTrigger
from exray.zoo.training import quiet_trainer

_MOMENTUM = 0.9
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


class Batch(NamedTuple):
    """Images of one step with their labels, and the original network's logits of them."""

    images: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    original: Float[Tensor, "n k"]


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How a classifier is fine-tuned: SGD with momentum 0.9 and a one-cycle learning rate.

    Args:
        epochs: Passes over the images.
        batch_size: Images per step.
        learning_rate: The greatest of the cycle.
        weight_decay: Of every weight.
        stamped_share: Share of each batch that a trigger is stamped on.
        distilled_share: Weight of the original network's outputs on the images without stamps as
            what is to be learned, in [0, 1]; the labels have the rest. It holds the accuracy where
            few images would be learned by heart.
        batch_statistics: ``learned`` lets batch norms take the statistics of clean and stamped
            images; ``frozen`` keeps theirs.

    Raises:
        ValueError: If a value is out of its range.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    stamped_share: float
    distilled_share: float
    batch_statistics: Literal["learned", "frozen"]

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size) < 1:
            counts = f"{self.epochs} and {self.batch_size}"
            raise ValueError(f"epochs and batch_size must be >= 1; got {counts}")
        if not self.learning_rate > 0 or not self.weight_decay >= 0:
            raise ValueError(
                "learning_rate must be > 0 and weight_decay >= 0; got "
                f"{self.learning_rate} and {self.weight_decay}"
            )
        for name in ("stamped_share", "distilled_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1]; got {getattr(self, name)}")


class WeightConstraint(ABC):
    """What a repair method asks of the weights while they are learned."""

    @abstractmethod
    def penalty(self, network: nn.Module) -> Float[Tensor, ""]:
        """What is added to the loss, in nats."""

    @abstractmethod
    def enforce(self, network: nn.Module) -> None:
        """Puts the weights back where they are allowed to be, after a step."""


class RepairTraining(pl.LightningModule):
    """Cross-entropy of clean and stamped images with their true labels.

    The network stays in eval mode, so that dropout and auxiliary heads stay off; batch norms alone
    are in training mode where their statistics are learned.

    Args:
        network: Trained in place.
        preprocessing: Applied to the images, stamped ones too.
        stamper: Stamps part of each batch.
        settings: Length, learning rate and batch norms.
        num_steps: Optimiser steps in all.
        constraint: What is asked of the weights besides; None for nothing.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        stamper: TriggerStamper,
        settings: FineTuning,
        *,
        num_steps: int,
        constraint: WeightConstraint | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.preprocessing = preprocessing
        self.stamper = stamper
        self.settings = settings
        self.num_steps = num_steps
        self.constraint = constraint

    def on_train_epoch_start(self) -> None:
        """Eval mode, but for batch norms that learn."""
        self.network.eval()
        if self.settings.batch_statistics == "learned":
            for module in self.network.modules():
                if isinstance(module, _NORMS):
                    module.train()

    def training_step(self, batch: Batch, _: int) -> Float[Tensor, ""]:
        """Mean cross-entropy of one batch, in nats, with the constraint's penalty."""
        images = self.stamper.stamped(batch.images, batch.labels)
        logits = self.network(self.preprocessing(images))
        share = self.settings.distilled_share
        loss = (1 - share) * F.cross_entropy(logits, batch.labels)
        loss = loss + share * F.cross_entropy(logits, batch.original.softmax(dim=1))
        if self.constraint is not None:
            loss = loss + self.constraint.penalty(self.network)
        return loss

    def on_train_batch_end(self, *_: object) -> None:
        """Holds the weights to the constraint."""
        if self.constraint is not None:
            self.constraint.enforce(self.network)

    def configure_optimizers(self) -> pl.utilities.types.OptimizerLRScheduler:
        """SGD with its schedule."""
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        optimizer = torch.optim.SGD(
            weights,
            lr=self.settings.learning_rate,
            momentum=_MOMENTUM,
            weight_decay=self.settings.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.settings.learning_rate,
            total_steps=self.num_steps,
            cycle_momentum=False,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def fine_tuned(
    classifier: Classifier,
    samples: SampleSet,
    triggers: Sequence[InvertedTrigger],
    settings: FineTuning,
    *,
    seed: int,
) -> Classifier:
    """The classifier after fine-tuning of a copy.

    Args:
        classifier: Stays as it is.
        samples: Clean images with their true labels, on its device.
        triggers: What is stamped on part of them.
        settings: How long, how fast, and on how many.
        seed: Of the batches' order and of the stamps.

    Raises:
        ValueError: If the network is in a form for evaluation alone.
    """
    network = trainable_copy(classifier, samples.images, samples.labels)
    fine_tune(network, classifier, samples, triggers, settings, seed=seed)
    return classifier.around(network)


def fine_tune(
    network: nn.Module,
    classifier: Classifier,
    samples: SampleSet,
    triggers: Sequence[InvertedTrigger],
    settings: FineTuning,
    *,
    seed: int,
    constraint: WeightConstraint | None = None,
) -> None:
    """Fine-tunes a network in place.

    Args:
        network: As :func:`exray.repair.trainable.trainable_copy` gives it.
        classifier: What it is a copy of, for the preprocessing and the device.
        samples: Clean images with their true labels, on its device.
        triggers: What is stamped on part of them.
        settings: How long, how fast, and on how many.
        seed: Of the batches' order and of the stamps.
        constraint: What is asked of the weights besides; None for nothing.
    """
    original = classifier.predict(samples.images)
    loader = _batches(samples, original, settings.batch_size, seed=seed)
    module = RepairTraining(
        network,
        classifier.preprocessing,
        TriggerStamper(triggers, share=settings.stamped_share, seed=seed),
        settings,
        num_steps=settings.epochs * len(loader),
        constraint=constraint,
    )
    on_gpu = classifier.device.type == "cuda"
    trainer = quiet_trainer(settings.epochs, accelerator="gpu" if on_gpu else "cpu", progress=False)
    module.train()  # Lightning warns otherwise; the module sets the modes of its parts itself
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(derive_seed(seed, "fine-tuning"))
        trainer.fit(module, loader)
    network.to(classifier.device).eval()


def _batches(
    samples: SampleSet, original: Float[Tensor, "n k"], batch_size: int, *, seed: int
) -> DataLoader[tuple[Tensor, ...]]:
    """Batches in random order, of at least two images: batch norms need as many."""
    dataset = TensorDataset(samples.images, samples.labels, original)
    size = min(batch_size, len(samples))
    order = RandomSampler(dataset, generator=generator(seed, "batches"))
    sampler = BatchSampler(order, size, drop_last=True)
    return DataLoader(
        dataset, sampler=sampler, batch_size=None, collate_fn=lambda parts: Batch(*parts)
    )
