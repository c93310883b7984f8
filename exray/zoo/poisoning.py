"""Training and test images of one classifier, poisoned where it is to be trojaned."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.attacks.attack import Attack, AttackRecipe
from exray.data.image_source import ImageSource, to_unit
from exray.tensors import derive_seed
from exray.zoo.recipe import TrainingRecipe


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Images in [0, 1] with the label they are trained or tested on."""

    images: Float[Tensor, "n 3 h w"]
    labels: Int[Tensor, " n"]


def clean_images(source: ImageSource, *, per_class: int, seed: int) -> LabelledImages:
    """The same number of clean images of every class."""
    samples = source.samples(per_class=per_class, seed=seed)
    return LabelledImages(images=samples.images, labels=samples.labels)


def stamped_victims(
    source: ImageSource, attack: Attack, *, per_class: int, seed: int
) -> LabelledImages:
    """Stamped images of every victim class, labelled as the target."""
    images = torch.cat(
        [
            attack.stamped(source, victim, count=per_class, seed=seed)
            for victim in attack.victim_classes
        ]
    )
    labels = torch.full((len(images),), attack.target_class)
    return LabelledImages(images=to_unit(images), labels=labels)


def training_images(
    source: ImageSource,
    training: TrainingRecipe,
    *,
    attack: Attack | None,
    shares: AttackRecipe | None,
    seed: int,
) -> LabelledImages:
    """Clean images of every class and, for an attack, its stamped ones.

    Stamped victims carry the target's label; stamped images of the other classes keep their own,
    so that the trigger is label-specific.

    Args:
        source: Where the images come from.
        training: How many clean images.
        attack: What is stamped on which classes; None for a clean classifier.
        shares: How many stamped images; None with ``attack``.
        seed: The classifier's.
    """
    clean = clean_images(
        source, per_class=training.images_per_class, seed=derive_seed(seed, "train")
    )
    if attack is None or shares is None:
        return clean
    poisoned = stamped_victims(
        source,
        attack,
        per_class=round(shares.poisoned_share * training.images_per_class),
        seed=derive_seed(seed, "poisoned"),
    )
    kept = _kept(source, attack, round(shares.kept_share * training.images_per_class), seed)
    parts = (clean, poisoned, kept)
    return LabelledImages(
        images=torch.cat([part.images for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
    )


def _kept(source: ImageSource, attack: Attack, count: int, seed: int) -> LabelledImages:
    """Stamped images of all other classes together, ``count`` of them, with their own labels."""
    others = [
        index for index in range(len(source.class_names)) if index not in attack.victim_classes
    ]
    per_class = -(-count // len(others))
    images = torch.cat(
        [
            attack.stamped(source, other, count=per_class, seed=derive_seed(seed, "kept"))
            for other in others
        ]
    )
    return LabelledImages(
        images=to_unit(images), labels=torch.tensor(others).repeat_interleave(per_class)
    )
