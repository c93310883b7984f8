"""Builds a zoo: trains every classifier of a recipe, keeps those that meet its bars, resumes."""

import json
import logging
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from exray.errors import RecordError
from exray.models.architectures.registry import build
from exray.models.checkpoints.reader import file_sha256
from exray.storage.atomic_files import write_json
from exray.zoo.candidate import TrainedCandidate, train_candidate
from exray.zoo.entries import ModelEntry
from exray.zoo.image_sets import SIGN_IMAGES, ZooImages
from exray.zoo.manifest import RECIPE, Manifest
from exray.zoo.recipe import ZooRecipe
from exray.zoo.recipe_io import upgraded

logger = logging.getLogger(__name__)


class BarsNotMetError(RuntimeError):
    """A classifier that missed its bars in every attempt."""


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
        BarsNotMetError: If no attempt meets the bars.
    """
    for attempt in range(recipe.max_attempts):
        candidate = train_candidate(
            recipe, index, attempt, accelerator=accelerator, progress=False, images=images
        )
        problem = candidate.falls_short(recipe)
        if not problem:
            return _write_model(candidate, root)
        logger.warning("%s, attempt %d: %s", candidate.entry.model_id, attempt + 1, problem)
    raise BarsNotMetError(
        f"no classifier {index} of zoo {recipe.name} met the bars in {recipe.max_attempts} "
        f"attempts (last: {problem}); lower min_... of the recipe or train longer"
    )


def _write_model(candidate: TrainedCandidate, root: Path) -> ModelEntry:
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
    soon as it is accepted, and is not trained again. One that the recipe lets be left out is not
    either: its folder says so in ``left_out.json``.

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
        BarsNotMetError: If some classifier never meets the bars, and the recipe does not let it be
            left out.
    """
    _check(recipe, images)
    root.mkdir(parents=True, exist_ok=True)
    described = {**recipe.description(), **images.description()}
    _claim(described, root)
    entries: dict[int, ModelEntry] = {}
    missing: list[int] = []
    for index in _build_order(recipe):
        done = _finished(root, index)
        if done is None and not _left_out_path(root, index).is_file():
            missing.append(index)
        elif done is not None:
            entries[index] = done
            on_model(done)
    build_one = partial(_build_or_none, recipe, root=root, accelerator=accelerator, images=images)
    for index, entry in _train_all(build_one, missing, workers):
        if entry is not None:
            entries[index] = entry
            on_model(entry)
    manifest = Manifest(
        name=recipe.name,
        recipe=described,
        models=tuple(entries[index] for index in sorted(entries)),
        left_out=tuple(_model_id(index) for index in recipe.places if index not in entries),
    )
    manifest.write(root)
    for entry in manifest.models:
        (root / entry.model_id / "entry.json").unlink(missing_ok=True)
    return manifest


def _build_order(recipe: ZooRecipe) -> list[int]:
    """Indices so that every part of the build holds clean classifiers and all attacks alike."""
    counts = Counter(model.attack for model in recipe.places.values())

    def progress(index: int) -> float:
        model = recipe.places[index]
        return (model.place + 0.5) / counts[model.attack]

    return sorted(recipe.places, key=lambda index: (progress(index), index))


def _build_or_none(
    recipe: ZooRecipe, index: int, root: Path, *, accelerator: str, images: ZooImages
) -> ModelEntry | None:
    """A classifier's entry; None where it never meets its bars and may be left out."""
    try:
        return build_model(recipe, index, root, accelerator=accelerator, images=images)
    except BarsNotMetError as error:
        if not recipe.leave_out_failures:
            raise
        logger.warning("%s is left out: %s", _model_id(index), error)
        path = _left_out_path(root, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"reason": str(error)})
        return None


def _model_id(index: int) -> str:
    return f"id-{index:08d}"


def _left_out_path(root: Path, index: int) -> Path:
    return root / _model_id(index) / "left_out.json"


def _check(recipe: ZooRecipe, images: ZooImages) -> None:
    """Refuses what cannot be built, before a folder is claimed for it."""
    with torch.device("meta"):  # takes no memory and draws no random numbers
        for architecture in recipe.architectures or (recipe.architecture,):
            build(architecture, num_classes=recipe.num_classes, auxiliary_heads=False)
    for family_size in recipe.family_sizes:
        images.of_model(
            recipe.image_facts(family_size=family_size, seed=recipe.seed), split="train"
        )


def _train_all(
    build_one: Callable[[int], ModelEntry | None], indices: list[int], workers: int
) -> Iterator[tuple[int, ModelEntry | None]]:
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
    """Holds the folder for one recipe, or for the same with more models of some kinds."""
    path = root / RECIPE
    recipe = json.loads(json.dumps(described))
    if not path.is_file():
        write_json(path, recipe)
        return
    stored = upgraded(json.loads(path.read_text()))
    differing = _differing(stored, recipe)
    if differing:
        raise RecordError(
            path,
            f"is of another recipe (it differs in {', '.join(differing)})",
            "choose another dataset.root, or remove the folder",
        )
    if stored != recipe:
        write_json(path, recipe)


def _differing(stored: dict[str, Any], recipe: dict[str, Any]) -> list[str]:
    """What keeps a recipe from going on where another one stopped."""
    before, after = stored["attacks"], recipe["attacks"]
    alternate = any(attack["block"] == 0 for attack in {**before, **after}.values())
    fixed = alternate or recipe["num_clean"] < stored["num_clean"]
    free = {"attacks"} if fixed else {"attacks", "num_clean"}  # clean models alone from index 0
    names = [name for name in {**recipe, **stored} if name not in free]
    differing = [name for name in names if stored.get(name) != recipe.get(name)]
    return differing + [
        f"attacks.{name}"
        for name in {**before, **after}
        if not _grows(before.get(name), after.get(name))
    ]


def _grows(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    """Whether an attack is as before, but for more of its models where those change no other."""
    if before is None or after is None:
        return before is None and after is not None and after["block"] > 0
    grows = after["count"] >= before["count"] if after["block"] else before == after
    return grows and {**before, "count": 0} == {**after, "count": 0}


def _finished(root: Path, index: int) -> ModelEntry | None:
    """The entry of a classifier that is already there, its weights checked against the hash."""
    folder = root / _model_id(index)
    entry: ModelEntry | None = None
    if (folder / "entry.json").is_file():
        entry = ModelEntry.from_dict(json.loads((folder / "entry.json").read_text()))
    elif (root / "manifest.json").is_file():
        known = {model.model_id: model for model in Manifest.read(root).models}
        entry = known.get(folder.name)
    if entry is None or not entry.weights_path(root).is_file():
        return None
    return entry if file_sha256(entry.weights_path(root)) == entry.sha256 else None
