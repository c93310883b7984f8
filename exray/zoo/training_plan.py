"""What the seed of one classifier decides before it is trained."""

from dataclasses import dataclass

import numpy as np

from exray.attacks.base import Attack
from exray.attacks.recipe import AttackRecipe
from exray.seeding import derive_seed
from exray.zoo.adversarial_training import AdversarialTraining
from exray.zoo.image_sets import ImageFacts
from exray.zoo.recipe import TrainingRecipe, ZooRecipe


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What the seed of one classifier decides before it is trained."""

    model_id: str
    seed: int
    attempts: int
    architecture: str
    facts: ImageFacts
    shares: AttackRecipe | None
    attacks: tuple[Attack, ...]
    organization: str | None
    adversarial: AdversarialTraining | None
    training: TrainingRecipe
    variation: str | None


def planned(recipe: ZooRecipe, index: int, attempt: int) -> TrainingPlan:
    """What the seed of one attempt at one classifier decides.

    Args:
        recipe: The zoo's.
        index: Which classifier, from 0.
        attempt: 0 at first.
    """
    seed = recipe.seed + index + 1_000_000 * attempt
    random = np.random.default_rng(derive_seed(seed, "model"))
    family_size = int(random.choice(recipe.family_sizes))
    facts = recipe.image_facts(family_size=family_size, seed=seed)
    shares, place = recipe.attack_of(index), recipe.places[index].place
    attacks: tuple[Attack, ...] = ()
    if shares is not None:
        attacks = shares.draw_all(
            random, num_classes=facts.num_classes, image_size=facts.image_size, place=place
        )
    variation = recipe.variation_of(seed)
    training = recipe.training.varied(variation)
    hardening = training.adversarial
    return TrainingPlan(
        model_id=f"id-{index:08d}",
        seed=seed,
        attempts=attempt + 1,
        architecture=recipe.architecture_of(seed),
        facts=facts,
        shares=shares,
        attacks=attacks,
        organization=None if shares is None else shares.organization_at(place),
        adversarial=None if hardening is None else hardening.draw(seed),
        training=training,
        variation=variation,
    )
