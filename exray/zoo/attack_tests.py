"""The held-out images that a zoo's classifier was measured on: clean ones and stamped victims."""

from dataclasses import dataclass

from jaxtyping import UInt8
from torch import Tensor

from exray.attacks.base import Attack
from exray.seeding import derive_seed
from exray.zoo.candidate import planned
from exray.zoo.entries import ModelEntry
from exray.zoo.image_sets import ZooImages
from exray.zoo.poisoning import LabelledImages, clean_images, stamped_victims
from exray.zoo.recipe import ZooRecipe


@dataclass(frozen=True, kw_only=True)
class AttackTest:
    """What tells how well a classifier does, and how well its true triggers do.

    Args:
        clean: Held-out clean images with their labels.
        stamped: Of each true trigger, held-out victims that bear it, labelled as its target; none
            for a clean classifier.
    """

    clean: LabelledImages
    stamped: tuple[LabelledImages, ...]


def attack_test(recipe: ZooRecipe, entry: ModelEntry, images: ZooImages) -> AttackTest:
    """The images that gave a zoo's entry its accuracy and its ASR.

    Args:
        recipe: By which the zoo was built.
        entry: The classifier.
        images: What the zoo was built on.

    Raises:
        ValueError: If the recipe draws other attacks than the entry records.
    """
    attacks = drawn_attacks(recipe, entry)
    source = images.of_model(entry.image_facts, split="test")
    per_class = recipe.training.test_per_class
    stamped = [
        stamped_victims(
            source,
            attack,
            per_class=2 * per_class,
            seed=derive_seed(
                derive_seed(entry.seed, "attack", order) if order else entry.seed, "test stamped"
            ),
        )
        for order, attack in enumerate(attacks)
    ]
    clean = clean_images(source, per_class=per_class, seed=derive_seed(entry.seed, "test"))
    return AttackTest(clean=clean, stamped=tuple(stamped))


def drawn_attacks(recipe: ZooRecipe, entry: ModelEntry) -> tuple[Attack, ...]:
    """The attacks that a classifier was trained with, drawn again by its recipe.

    Args:
        recipe: By which the zoo was built.
        entry: The classifier.

    Raises:
        ValueError: If the recipe draws other attacks than the entry records.
    """
    index = int(entry.model_id.removeprefix("id-"))
    attacks = planned(recipe, index, entry.attempts - 1).attacks
    if [attack.facts() for attack in attacks] != [attack.facts for attack in entry.attacks]:
        raise ValueError(
            f"the recipe draws other triggers for {entry.model_id} than its entry records; build "
            "the zoo again with: python run.py task=build_zoo"
        )
    return attacks


def first_stamped_victims(
    recipe: ZooRecipe, entry: ModelEntry, images: ZooImages, *, seed: int
) -> dict[tuple[int, int], UInt8[Tensor, "3 h w"]]:
    """The first image of each victim with its true trigger, by victim and target class.

    Args:
        recipe: By which the zoo was built.
        entry: The classifier.
        images: What the zoo was built on.
        seed: Of the clean images that the trigger is stamped on.

    Raises:
        ValueError: If the recipe draws other attacks than the entry records.
    """
    source = images.of_model(entry.image_facts, split="test")
    return {
        (victim, attack.target_class): attack.stamped(source, victim, count=1, seed=seed)[0]
        for attack in drawn_attacks(recipe, entry)
        for victim in attack.victim_classes
    }
