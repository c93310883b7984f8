"""Builds a zoo: trains every classifier of a recipe, keeps those that meet its bars, resumes."""

import json
import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from exray.attacks.attack import Attack, AttackRecipe
from exray.data.cifar10_layout import SPLITS
from exray.data.image_source import ImageSource
from exray.errors import RecordError
from exray.models.architectures import build
from exray.models.checkpoint import file_sha256
from exray.tensors import derive_seed
from exray.zoo.manifest import AttackEntry, Manifest, ModelEntry, write_json
from exray.zoo.poisoning import clean_images, stamped_victims, training_images
from exray.zoo.recipe import FURTHER, ZooRecipe
from exray.zoo.training import class_accuracies, hit_rate, train
from exray.zoo.zoo_images import SIGN_IMAGES, ZooImages

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trained classifier that may or may not meet the recipe's bars."""

    network: nn.Module
    entry: ModelEntry

    def falls_short(self, recipe: ZooRecipe) -> str:
        """Which bar it misses, in words; empty if none."""
        entry = self.entry
        if entry.clean_accuracy < recipe.min_clean_accuracy:
            return f"clean accuracy {entry.clean_accuracy:.3f} < {recipe.min_clean_accuracy}"
        if entry.worst_class_accuracy < recipe.min_class_accuracy:
            return f"worst class {entry.worst_class_accuracy:.3f} < {recipe.min_class_accuracy}"
        if entry.asr is not None and entry.asr < recipe.min_asr:
            return f"ASR {entry.asr:.3f} < {recipe.min_asr}"
        return ""


def train_candidate(
    recipe: ZooRecipe,
    index: int,
    attempt: int,
    *,
    accelerator: str,
    progress: bool,
    images: ZooImages = SIGN_IMAGES,
) -> Candidate:
    """Trains the classifier of one index; classes, attack and weights follow from its seed.

    Args:
        recipe: The zoo's.
        index: Which classifier, from 0.
        attempt: 0 at first; each attempt has another seed.
        accelerator: Lightning's name of the device kind.
        progress: Whether to show a bar.
        images: What it is trained and tested on.
    """
    seed = recipe.seed + index + 1_000_000 * attempt
    random = np.random.default_rng(derive_seed(seed, "model"))
    family_size = int(random.choice(recipe.family_sizes))
    facts = recipe.image_facts(family_size=family_size, seed=seed)
    seen, held_out = (images.of_model(facts, split=split) for split in SPLITS)
    shares = recipe.attack_of(index)
    attack = _attack(recipe, shares, index, random) if shares else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        network = build(recipe.architecture, num_classes=recipe.num_classes)
    data = training_images(seen, recipe.training, attack=attack, shares=shares, seed=seed)
    start = time.perf_counter()
    train(network, data, recipe.training, seed=seed, accelerator=accelerator, progress=progress)
    seconds = time.perf_counter() - start
    test = clean_images(
        held_out, per_class=recipe.training.test_per_class, seed=derive_seed(seed, "test")
    )
    entry = ModelEntry(
        model_id=f"id-{index:08d}",
        sha256="",
        seed=seed,
        attempts=attempt + 1,
        architecture=recipe.architecture,
        num_classes=recipe.num_classes,
        family_size=family_size,
        image_size=recipe.image_size,
        class_names=held_out.class_names,
        clean_accuracy=hit_rate(network, test),
        worst_class_accuracy=min(class_accuracies(network, test)),
        asr=_asr(network, held_out, attack, recipe, seed) if attack else None,
        attack=_attack_entry(attack, shares, recipe) if attack and shares else None,
        training_seconds=round(seconds, 2),
        scene=images.scene_facts(facts),
    )
    return Candidate(network=network, entry=entry)


def _attack(
    recipe: ZooRecipe, shares: AttackRecipe, index: int, random: np.random.Generator
) -> Attack:
    return shares.draw(
        random,
        num_classes=recipe.num_classes,
        image_size=recipe.image_size,
        place=recipe.place_of(index),
    )


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


def _attack_entry(attack: Attack, shares: AttackRecipe, recipe: ZooRecipe) -> AttackEntry:
    per_victim = round(shares.poisoned_share * recipe.training.images_per_class)
    return AttackEntry.from_dict(
        {
            **attack.facts(),
            "victim_classes": attack.victim_classes,
            "target_class": attack.target_class,
            "num_poisoned": per_victim * len(attack.victim_classes),
        }
    )


def build_model(
    recipe: ZooRecipe,
    index: int,
    root: Path,
    *,
    accelerator: str,
    images: ZooImages = SIGN_IMAGES,
) -> ModelEntry:
    """Trains one classifier until it meets the bars, writes it, and gives its entry.

    Raises:
        RuntimeError: If no attempt meets the bars.
    """
    for attempt in range(recipe.max_attempts):
        candidate = train_candidate(
            recipe, index, attempt, accelerator=accelerator, progress=False, images=images
        )
        problem = candidate.falls_short(recipe)
        if not problem:
            return _write_model(candidate, root)
        logger.warning("%s, attempt %d: %s", candidate.entry.model_id, attempt + 1, problem)
    raise RuntimeError(
        f"no classifier {index} of zoo {recipe.name} met the bars in {recipe.max_attempts} "
        f"attempts (last: {problem}); lower dataset.recipe.min_... or train longer"
    )


def _write_model(candidate: Candidate, root: Path) -> ModelEntry:
    path = candidate.entry.weights_path(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(".model.tmp")
    state = {
        name: value.contiguous().cpu() for name, value in candidate.network.state_dict().items()
    }
    save_file(state, draft)
    draft.replace(path)
    entry = ModelEntry.from_dict({**candidate.entry.to_dict(), "sha256": file_sha256(path)})
    write_json(path.parent / "entry.json", entry.to_dict())
    return entry


def build_zoo(
    recipe: ZooRecipe,
    root: Path,
    *,
    workers: int,
    accelerator: str,
    on_model: Callable[[ModelEntry], None],
    images: ZooImages = SIGN_IMAGES,
) -> Manifest:
    """Builds what is missing of a zoo and writes its manifest.

    An interrupted build goes on where it stopped: each classifier is written with its entry as
    soon as it is accepted, and is not trained again.

    Args:
        recipe: What the zoo is to contain.
        root: Its folder.
        workers: Processes that train side by side.
        accelerator: Lightning's name of the device kind.
        on_model: Called with each classifier's entry, finished ones included.
        images: What the classifiers are trained and tested on.

    Raises:
        ValueError: If there is no such network, or no such images; nothing is written then.
        RecordError: If ``root`` holds a zoo of another recipe.
        RuntimeError: If some classifier never meets the bars.
    """
    _check(recipe, images)
    root.mkdir(parents=True, exist_ok=True)
    described = {**recipe.description(), **images.description()}
    _claim(described, root)
    entries: dict[int, ModelEntry] = {}
    missing: list[int] = []
    for index in recipe.indices():
        done = _finished(root, index)
        if done is None:
            missing.append(index)
        else:
            entries[index] = done
            on_model(done)
    build_one = partial(build_model, recipe, root=root, accelerator=accelerator, images=images)
    for index, entry in _train_all(build_one, missing, workers):
        entries[index] = entry
        on_model(entry)
    manifest = Manifest(
        name=recipe.name,
        recipe=described,
        models=tuple(entries[index] for index in sorted(entries)),
    )
    manifest.write(root)
    for entry in manifest.models:
        (root / entry.model_id / "entry.json").unlink(missing_ok=True)
    return manifest


def _check(recipe: ZooRecipe, images: ZooImages) -> None:
    """Refuses what cannot be built, before a folder is claimed for it."""
    with torch.device("meta"):  # takes no memory and draws no random numbers
        build(recipe.architecture, num_classes=recipe.num_classes)
    for family_size in recipe.family_sizes:
        images.of_model(
            recipe.image_facts(family_size=family_size, seed=recipe.seed), split="train"
        )


def _train_all(
    build_one: Callable[[int], ModelEntry], indices: list[int], workers: int
) -> Iterator[tuple[int, ModelEntry]]:
    """Trains the missing classifiers, in this process or in several, as they finish."""
    if workers <= 1 or len(indices) <= 1:
        for index in indices:
            yield index, build_one(index)
        return
    context = multiprocessing.get_context("spawn")  # forking a process with torch threads hangs
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        jobs = {pool.submit(build_one, index): index for index in indices}
        for job in as_completed(jobs):
            yield jobs[job], job.result()


def _one_thread() -> None:
    torch.set_num_threads(1)


def _claim(described: dict[str, object], root: Path) -> None:
    """Holds the folder for one recipe, or for the same with more of the further attacks."""
    path = root / "recipe.json"
    wanted = json.loads(json.dumps(described))
    if not path.is_file():
        write_json(path, wanted)
        return
    found = json.loads(path.read_text())
    if found != wanted:
        differing = [
            key
            for key in [*wanted, *(key for key in found if key not in wanted)]
            if found.get(key) != wanted.get(key) and not _grows(key, found, wanted)
        ]
        if not differing:
            write_json(path, wanted)
            return
        raise RecordError(
            path,
            f"is of another recipe (it differs in {', '.join(differing)})",
            "choose another dataset.root, or remove the folder",
        )


def _grows(key: str, found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a recipe asks for more models of a further attack, or for its first ones."""
    if key in {count for count, _ in FURTHER}:
        return bool(wanted.get(key, 0) > found.get(key, 0))
    return key in {section for _, section in FURTHER} and key not in found


def _finished(root: Path, index: int) -> ModelEntry | None:
    """The entry of a classifier that is already there, its weights checked against the hash."""
    folder = root / f"id-{index:08d}"
    entry: ModelEntry | None = None
    if (folder / "entry.json").is_file():
        entry = ModelEntry.from_dict(json.loads((folder / "entry.json").read_text()))
    elif (root / "manifest.json").is_file():
        known = {model.model_id: model for model in Manifest.read(root).models}
        entry = known.get(folder.name)
    if entry is None or not entry.weights_path(root).is_file():
        return None
    return entry if file_sha256(entry.weights_path(root)) == entry.sha256 else None
