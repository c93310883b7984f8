"""The held-out images that a zoo's classifier was measured on: clean ones and stamped victims."""

from dataclasses import dataclass

from jaxtyping import UInt8
from torch import Tensor

from exray.attacks.base import Attack
from exray.seeding import derive_seed
from exray.zoo.entries import ModelEntry
from exray.zoo.image_sets import ZooImages
from exray.zoo.poisoning import LabelledImages, clean_images, stamped_victims
from exray.zoo.recipe import ZooRecipe
from exray.zoo.training_plan import planned


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
        ValueError: If the recipe draws other attacks than the entry records, or the trigger was
            learned in the training and follows from no recipe.
    """
    attacks = drawn_attacks(recipe, entry)
    if any(attack.is_learned for attack in attacks):
        raise ValueError(
            f"the trigger of {entry.model_id} ({attacks[0].facts().kind}) was learned in its "
            "training and is not kept, so that no image can be stamped with it"
        )
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

    One whose trigger was learned in the training is as it was before it.

    Args:
        recipe: By which the zoo was built.
        entry: The classifier.

    Raises:
        ValueError: If the recipe draws other attacks than the entry records.
    """
    index = int(entry.model_id.removeprefix("id-"))
    attacks = planned(recipe, index, entry.attempts - 1).attacks
    is_learned = any(attack.is_learned for attack in attacks)
    drawn = [attack.facts() for attack in attacks]
    if not is_learned and drawn != [attack.facts for attack in entry.attacks]:
        raise ValueError(
            f"the recipe draws other triggers for {entry.model_id} than its entry records; build "
            "the zoo again with: python run.py task=build_zoo"
        )
    return attacks


def first_stamped_victims(
    recipe: ZooRecipe, entry: ModelEntry, images: ZooImages, *, seed: int
) -> dict[tuple[int, int], UInt8[Tensor, "3 h w"]]:
    """The first image of each victim with its true trigger, by victim and target class.

    None for a trigger that was learned in the training, which is not kept.

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
        if not attack.is_learned
        for victim in attack.victim_classes
    }
