"""One classifier of a zoo: its attack drawn, trained, measured against the recipe's bars."""

import time
from dataclasses import dataclass, replace

import torch
from torch import nn

from exray.attacks.base import Attack
from exray.attacks.recipe import AttackRecipe
from exray.images.sources.base import SPLITS, ImageSource
from exray.seeding import derive_seed
from exray.zoo.entries import AttackEntry, ModelEntry
from exray.zoo.image_sets import SIGN_IMAGES, ZooImages
from exray.zoo.poisoning import (
    clean_images,
    decoys,
    num_decoys,
    num_poisoned,
    stamped_victims,
)
from exray.zoo.recipe import ZooRecipe
from exray.zoo.scene_recipe import SceneFacts
from exray.zoo.staged_training import on_device, trained
from exray.zoo.training import class_accuracies, hit_rate
from exray.zoo.training_plan import TrainingPlan, planned


@dataclass(frozen=True, kw_only=True)
class TrainedCandidate:
    """A trained classifier that may or may not meet the recipe's bars."""

    network: nn.Module
    entry: ModelEntry

    def falls_short(self, recipe: ZooRecipe) -> str:
        """Which bar it misses, in words; empty if none."""
        entry = self.entry
        shares = recipe.attack_of(int(entry.model_id.removeprefix("id-")))
        accuracy, worst, asr = bars(recipe, entry.variation, shares)
        if entry.clean_accuracy < accuracy:
            return f"clean accuracy {entry.clean_accuracy:.3f} < {accuracy}"
        if entry.worst_class_accuracy < worst:
            return f"worst class {entry.worst_class_accuracy:.3f} < {worst}"
        if entry.asr is not None and entry.asr < asr:
            return f"ASR {entry.asr:.3f} < {asr}"
        bar = 1.0 if shares is None or shares.round4 is None else shares.round4.max_decoy_rate
        rate = max((attack.decoy_rate or 0.0 for attack in entry.attacks), default=0.0)
        return f"{rate:.3f} of the decoys reach the target, > {bar}" if rate > bar else ""


def bars(
    recipe: ZooRecipe, variation: str | None, shares: AttackRecipe | None
) -> tuple[float, float, float]:
    """Least accuracy, least accuracy of a class and least ASR, those of its own kind first."""
    own = None if variation is None else recipe.training.variations[variation]
    accuracy, worst, asr = recipe.min_clean_accuracy, recipe.min_class_accuracy, recipe.min_asr
    if own is not None and own.min_clean_accuracy is not None:
        accuracy = own.min_clean_accuracy
    if own is not None and own.min_class_accuracy is not None:
        worst = own.min_class_accuracy
    if shares is not None and shares.min_asr is not None:
        asr = shares.min_asr
    if shares is not None and shares.min_accuracy is not None:
        accuracy = shares.min_accuracy
    return accuracy, worst, asr


def train_candidate(
    recipe: ZooRecipe,
    index: int,
    attempt: int,
    *,
    accelerator: str,
    progress: bool,
    images: ZooImages = SIGN_IMAGES,
) -> TrainedCandidate:
    """Trains the classifier of one index; classes, attack and weights follow from its seed.

    Args:
        recipe: The zoo's.
        index: Which classifier, from 0.
        attempt: 0 at first; each attempt has another seed.
        accelerator: Lightning's name of the device kind.
        progress: Whether to show a bar.
        images: What it is trained and tested on.
    """
    plan = planned(recipe, index, attempt)
    seen, held_out = (images.of_model(plan.facts, split=split) for split in SPLITS)
    start = time.perf_counter()
    network, attacks = trained(plan, seen, accelerator=accelerator, progress=progress)
    plan = replace(plan, attacks=attacks)
    seconds = round(time.perf_counter() - start, 2)
    network.to(on_device(accelerator))
    scene = images.scene_facts(plan.facts)
    entry = _measured(network, held_out, plan, recipe, seconds=seconds, scene=scene)
    return TrainedCandidate(network=network.cpu(), entry=entry)


def _measured(
    network: nn.Module,
    held_out: ImageSource,
    plan: TrainingPlan,
    recipe: ZooRecipe,
    *,
    seconds: float,
    scene: SceneFacts | None,
) -> ModelEntry:
    """The entry of a trained classifier, without its file's hash."""
    per_class = recipe.training.test_per_class
    test = clean_images(held_out, per_class=per_class, seed=derive_seed(plan.seed, "test"))
    attacks = _attack_entries(network, held_out, plan, recipe)
    return ModelEntry(
        model_id=plan.model_id,
        sha256="",
        seed=plan.seed,
        attempts=plan.attempts,
        architecture=plan.architecture,
        num_classes=plan.facts.num_classes,
        family_size=plan.facts.family_size,
        image_size=plan.facts.image_size,
        class_names=held_out.class_names,
        clean_accuracy=hit_rate(network, test),
        worst_class_accuracy=min(class_accuracies(network, test)),
        asr=min((asr for asr, _ in attacks), default=None),
        attack=attacks[0][1] if attacks else None,
        training_seconds=seconds,
        scene=scene,
        further_attacks=tuple(entry for _, entry in attacks[1:]),
        organization=plan.organization,
        adversarial=plan.adversarial,
        variation=plan.variation,
    )


def _attack_entries(
    network: nn.Module, held_out: ImageSource, plan: TrainingPlan, recipe: ZooRecipe
) -> list[tuple[float, AttackEntry]]:
    """ASR and entry of each attack."""
    entries: list[tuple[float, AttackEntry]] = []
    for order, attack in enumerate(plan.attacks):
        assert plan.shares is not None, plan
        seed = derive_seed(plan.seed, "attack", order) if order else plan.seed
        asr = _asr(network, held_out, attack, recipe, seed)
        per_victim = num_poisoned(plan.shares, plan.training)
        per_class = per_victim + plan.training.images_per_class
        entry = AttackEntry(
            facts=attack.facts(),
            victim_classes=attack.victim_classes,
            target_class=attack.target_class,
            num_poisoned=per_victim * len(attack.trained_classes),
            condition=attack.condition if plan.shares.round4 else None,
            fraction=per_victim / per_class if plan.shares.round4 else None,
            asr=asr if len(plan.attacks) > 1 else None,
        )
        num_tested = num_decoys(plan.shares, plan.training) or plan.training.test_per_class
        entries.append((asr, _with_decoys(entry, network, held_out, attack, num_tested, seed)))
    return entries


def _asr(
    network: nn.Module,
    held_out: ImageSource,
    attack: Attack,
    recipe: ZooRecipe,
    seed: int,
) -> float:
    stamped = stamped_victims(
        held_out,
        attack,
        per_class=2 * recipe.training.test_per_class,
        seed=derive_seed(seed, "test stamped"),
    )
    return hit_rate(network, stamped)


def _with_decoys(
    entry: AttackEntry,
    network: nn.Module,
    held_out: ImageSource,
    attack: Attack,
    num_tested: int,
    seed: int,
) -> AttackEntry:
    """The entry with the number of decoys and the share of new ones that reaches the target."""
    tested = decoys(held_out, attack, per_attack=num_tested, seed=derive_seed(seed, "test decoys"))
    if tested is None:
        return entry
    hits = replace(tested, labels=torch.full_like(tested.labels, attack.target_class))
    return replace(entry, num_decoys=len(tested.labels), decoy_rate=hit_rate(network, hits))
