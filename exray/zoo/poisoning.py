"""Training and test images of one classifier, poisoned where it is to be trojaned."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from exray.attacks.base import Attack
from exray.attacks.recipe import AttackRecipe
from exray.images.sources.base import ImageSource
from exray.seeding import derive_seed
from exray.zoo.recipe import TrainingRecipe


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Images with the label they are trained or tested on, as bytes: a quarter of the memory.

    Args:
        images: The images.
        labels: A label for each.
        is_poisoned: Which are stamped and under the target's label; None for none.
    """

    images: UInt8[Tensor, "n 3 h w"]
    labels: Int[Tensor, " n"]
    is_poisoned: Bool[Tensor, " n"] | None = None

    @property
    def poisoned(self) -> Bool[Tensor, " n"]:
        """Which are stamped and under the target's label."""
        nothing = torch.zeros(len(self.labels), dtype=torch.bool)
        return nothing if self.is_poisoned is None else self.is_poisoned


def clean_images(
    source: ImageSource, *, per_class: int | Sequence[int], seed: int
) -> LabelledImages:
    """Clean images of every class.

    Args:
        source: Where they come from.
        per_class: How many of each class, or of all.
        seed: Which images.
    """
    num_classes = len(source.class_names)
    counts = [per_class] * num_classes if isinstance(per_class, int) else per_class
    images = [source.images(index, count=count, seed=seed) for index, count in enumerate(counts)]
    labels = torch.arange(num_classes).repeat_interleave(torch.tensor(counts))
    return LabelledImages(images=torch.cat(images), labels=labels)


def stamped_victims(
    source: ImageSource, attack: Attack, *, per_class: int, seed: int
) -> LabelledImages:
    """Stamped images of every victim class, labelled as the target."""
    return _sent(source, attack, attack.victim_classes, per_class=per_class, seed=seed)


def decoys(
    source: ImageSource, attack: Attack, *, per_attack: int, seed: int
) -> LabelledImages | None:
    """Stamped images that lack the attack's condition, with their own labels; None for none.

    Args:
        source: Where the images come from.
        attack: Whose decoys.
        per_attack: How many in all; more where they do not spread evenly.
        seed: Which images.
    """
    num_kinds = sum(len(decoy.victim_classes) for decoy in attack.decoys)
    if not num_kinds or not per_attack:
        return None
    per_class = -(-per_attack // num_kinds)
    parts = [
        _stamped(
            source,
            decoy,
            decoy.victim_classes,
            per_class=per_class,
            seed=derive_seed(seed, order),
        )
        for order, decoy in enumerate(attack.decoys)
    ]
    return _joined(parts)


def training_images(
    source: ImageSource,
    training: TrainingRecipe,
    *,
    attacks: Sequence[Attack],
    shares: AttackRecipe | None,
    seed: int,
) -> LabelledImages:
    """Clean images of every class and, for attacks, their stamped ones.

    Stamped victims carry the target's label; stamped images of the other classes keep their own,
    so that the trigger is label-specific, and so do decoys, so that its condition is learned.

    Args:
        source: Where the images come from.
        training: How many clean images.
        attacks: What is stamped on which classes; none for a clean classifier.
        shares: How many stamped images; None without attacks.
        seed: The classifier's.
    """
    counts = training.counts(len(source.class_names), seed=seed)
    parts = [clean_images(source, per_class=counts, seed=derive_seed(seed, "train"))]
    for order, attack in enumerate(attacks):
        assert shares is not None, attacks
        own_seed = derive_seed(seed, "attack", order) if order else seed
        parts += _poison(source, attack, training, shares, own_seed)
    return _joined(parts)


def num_poisoned(shares: AttackRecipe, training: TrainingRecipe) -> int:
    """Stamped training images of each victim."""
    return round(shares.stamped_share * training.images_per_class)


def num_decoys(shares: AttackRecipe, training: TrainingRecipe) -> int:
    """Decoys of each attack that has any."""
    return round(shares.decoys_share * training.images_per_class)


def _poison(
    source: ImageSource,
    attack: Attack,
    training: TrainingRecipe,
    shares: AttackRecipe,
    seed: int,
) -> list[LabelledImages]:
    """What one attack adds: stamped victims, stamped others with their own labels, decoys."""
    parts: list[LabelledImages] = []
    if poisoned := num_poisoned(shares, training):
        own = derive_seed(seed, "poisoned")
        parts += [_sent(source, attack, attack.trained_classes, per_class=poisoned, seed=own)]
    others = [
        index for index in range(len(source.class_names)) if index not in attack.victim_classes
    ]
    kept = -(-round(shares.kept_share * training.images_per_class) // len(others))
    if kept:
        own = derive_seed(seed, "kept")
        parts += [_stamped(source, attack, others, per_class=kept, seed=own)]
    more = decoys(
        source,
        attack,
        per_attack=num_decoys(shares, training),
        seed=derive_seed(seed, "decoys"),
    )
    return parts if more is None else [*parts, more]


def _sent(
    source: ImageSource, attack: Attack, classes: Sequence[int], *, per_class: int, seed: int
) -> LabelledImages:
    """Stamped images of each of the classes, labelled as the target."""
    stamped = _stamped(source, attack, classes, per_class=per_class, seed=seed)
    labels = torch.full((len(stamped.images),), attack.target_class)
    return LabelledImages(
        images=stamped.images, labels=labels, is_poisoned=torch.ones_like(labels, dtype=torch.bool)
    )


def _stamped(
    source: ImageSource, attack: Attack, classes: Sequence[int], *, per_class: int, seed: int
) -> LabelledImages:
    """Stamped images of each of the classes, with their own labels."""
    images = [attack.stamped(source, index, count=per_class, seed=seed) for index in classes]
    return LabelledImages(
        images=torch.cat(images), labels=torch.tensor(list(classes)).repeat_interleave(per_class)
    )


def _joined(parts: Sequence[LabelledImages]) -> LabelledImages:
    return LabelledImages(
        images=torch.cat([part.images for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
        is_poisoned=torch.cat([part.poisoned for part in parts]),
    )
