"""Writes a built zoo as TrojAI ships a round: whole networks, example images, tables."""

from pathlib import Path

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from exray.attacks.base import Attack
from exray.datasets.zoo import ZooDataset
from exray.images.sources.base import ImageSource
from exray.models.architectures.registry import build
from exray.models.checkpoints.reader import read_state
from exray.models.checkpoints.weights import load_state
from exray.seeding import derive_seed
from exray.zoo.entries import ModelEntry
from exray.zoo.training_plan import planned


def write_round(zoo: ZooDataset, root: Path, *, examples_per_class: int) -> None:
    """Writes each classifier as ``model.pt`` with examples beside it, and the round's tables.

    ``clean_example_data`` has images of every class, ``poisoned_example_data`` of trojaned models
    stamped victims, named as round 4 names them. Networks are pickled whole: those of torch's and
    torchvision's layers can be read back, ``signs_resnet`` by whoever has exray.

    Args:
        zoo: What was built.
        root: Folder of the round, not that of the zoo.
        examples_per_class: Images of each class; rounds 2 and 3 have 10 or 20, round 4 2 or 5.

    Raises:
        ValueError: If ``root`` is the zoo's own folder, no example is wanted, or a trigger was
            learned in a training and so follows from no seed.
        CheckpointError: If a classifier's weights are missing or broken.
    """
    if examples_per_class < 1:
        raise ValueError(f"examples_per_class must be >= 1; got {examples_per_class}")
    if root.resolve() == zoo.root.resolve():
        raise ValueError(f"{root} is the zoo's own folder; write the round elsewhere")
    manifest = zoo.manifest()
    for entry in manifest.models:
        folder = root / entry.model_id
        folder.mkdir(parents=True, exist_ok=True)
        _write_network(zoo, entry, folder / "model.pt")
        source = zoo.images.of_model(entry.image_facts, split="test")
        seed = derive_seed(entry.seed, "examples")
        for index in range(entry.num_classes):
            images = source.images(index, count=examples_per_class, seed=seed)
            _write_images(images, folder / "clean_example_data", f"class_{index}")
        index = int(entry.model_id.removeprefix("id-"))
        attacks = planned(zoo.recipe, index, entry.attempts - 1).attacks
        if any(attack.is_learned for attack in attacks):
            raise ValueError(
                f"the trigger of {entry.model_id} ({attacks[0].facts().kind}) was learned in its "
                "training and is not kept, so that no poisoned example can be made; export a zoo "
                "without such attacks"
            )
        for number, attack in enumerate(attacks):
            _write_poisoned(source, attack, number, folder, count=examples_per_class, seed=seed)
    manifest.write(root)


def _write_network(zoo: ZooDataset, entry: ModelEntry, path: Path) -> None:
    weights = entry.weights_path(zoo.root)
    network = build(entry.architecture, num_classes=entry.num_classes, auxiliary_heads=False)
    load_state(network, read_state(weights), weights)
    torch.save(network.eval(), path)


def _write_poisoned(
    source: ImageSource, attack: Attack, number: int, folder: Path, *, count: int, seed: int
) -> None:
    """Stamped images of each victim; other images than the clean examples."""
    own_seed = derive_seed(seed, "poisoned", number)
    for victim in attack.victim_classes:
        images = attack.stamped(source, victim, count=count, seed=own_seed)
        name = f"class_{victim}_trigger_{number}"
        _write_images(images, folder / "poisoned_example_data", name)


def _write_images(images: UInt8[Tensor, "n 3 h w"], folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        pixels = image.permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(pixels).save(folder / f"{name}_example_{number}.png")
