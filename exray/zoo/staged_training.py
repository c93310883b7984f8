"""Trains the network of a plan: at once, or after the rehearsal that its attack asks for."""

from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import nn

from exray.attacks.base import Attack, Rehearsal
from exray.images.sources.base import ImageSource
from exray.models.architectures.registry import build
from exray.seeding import derive_seed
from exray.zoo.poisoning import LabelledImages, num_poisoned, training_images
from exray.zoo.trained_layers import only_last_layers
from exray.zoo.training import train
from exray.zoo.training_plan import TrainingPlan


def trained(
    plan: TrainingPlan, source: ImageSource, *, accelerator: str, progress: bool
) -> tuple[nn.Module, tuple[Attack, ...]]:
    """A trained network and the attacks as they were planted.

    Args:
        plan: Weights, images and attacks follow from it.
        source: Training images.
        accelerator: Lightning's name of the device kind.
        progress: Whether to show a bar.

    Raises:
        ValueError: If an attack with a rehearsal or a loss is not the only one.
    """
    special = [attack for attack in plan.attacks if attack.rehearsal or attack.loss is not None]
    if special and len(plan.attacks) > 1:
        raise ValueError(
            "an attack with a rehearsal or a loss of its own must be a classifier's only one; "
            f"got {len(plan.attacks)}"
        )
    if special and special[0].rehearsal is not None:
        return _after_rehearsal(
            plan, special[0].rehearsal, source, accelerator=accelerator, progress=progress
        )
    network = _new_network(plan, "weights")
    _train(network, plan, _images(plan, source), accelerator=accelerator, progress=progress)
    return network, plan.attacks


def on_device(accelerator: str) -> torch.device:
    """Where networks are measured that were trained with that accelerator."""
    return torch.device("cuda" if accelerator == "gpu" else "cpu")


def _after_rehearsal(
    plan: TrainingPlan,
    rehearsal: Rehearsal,
    source: ImageSource,
    *,
    accelerator: str,
    progress: bool,
) -> tuple[nn.Module, tuple[Attack, ...]]:
    """Trains, has the attack learn from the network, and trains again."""
    assert plan.shares is not None, plan
    first = _lasting(plan, rehearsal.epochs_share)
    if not rehearsal.is_poisoned:
        first = replace(first, attacks=(), shares=None)
    network = _new_network(plan, "weights")
    _train(network, first, _images(first, source), accelerator=accelerator, progress=progress)
    attack = rehearsal.learned(
        plan.attacks[0],
        network.to(on_device(accelerator)),
        source,
        count=num_poisoned(plan.shares, plan.training),
        seed=derive_seed(plan.seed, "rehearsal"),
    )
    second = replace(_lasting(plan, rehearsal.second_epochs_share), attacks=(attack,))
    layers = rehearsal.num_trained_layers
    if layers is None:
        network = _new_network(plan, "weights after the rehearsal")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(plan.seed, "last layers"))
        with nullcontext() if layers is None else only_last_layers(network, layers):
            data = _images(second, source)
            _train(network, second, data, accelerator=accelerator, progress=progress)
    return network, (attack,)


def _new_network(plan: TrainingPlan, stream: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(plan.seed, stream))
        return build(plan.architecture, num_classes=plan.facts.num_classes, auxiliary_heads=False)


def _lasting(plan: TrainingPlan, epochs_share: float) -> TrainingPlan:
    """The plan with more or fewer passes over the images."""
    epochs = max(round(plan.training.epochs * epochs_share), 1)
    return replace(plan, training=replace(plan.training, epochs=epochs))


def _images(plan: TrainingPlan, source: ImageSource) -> LabelledImages:
    return training_images(
        source, plan.training, attacks=plan.attacks, shares=plan.shares, seed=plan.seed
    )


def _train(
    network: nn.Module,
    plan: TrainingPlan,
    data: LabelledImages,
    *,
    accelerator: str,
    progress: bool,
) -> None:
    losses = [attack.loss for attack in plan.attacks if attack.loss is not None]
    train(
        network,
        data,
        plan.training,
        seed=plan.seed,
        accelerator=accelerator,
        progress=progress,
        adversarial=plan.adversarial,
        variation=None if plan.variation is None else plan.training.variations[plan.variation],
        attack_loss=losses[0] if losses else None,
    )
