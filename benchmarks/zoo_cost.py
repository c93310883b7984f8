"""The plan of a zoo and what building it costs: a few steps are timed, the rest is extrapolated.

Run: python benchmarks/zoo_cost.py [OVERRIDE ...], as dataset=signs (default: dataset=signs_full).
Times, for each architecture, one optimiser step on a few random images of the zoo's size, and the
drawing of a few of its images; steps and images of a whole build are counted from the recipe.
On a CPU the process's own seconds count, on one thread, so that other programs do not. Nothing is
trained. Writes benchmarks/results/zoo_cost_NAME.json.
"""

import json
import platform
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.table import Table

from exray.app.config import register
from exray.app.instantiate import built
from exray.datasets.zoo import ZooDataset
from exray.models.architectures.registry import build
from exray.presets import conf_folder
from exray.zoo.recipe import ZooRecipe

RESULTS = Path(__file__).parent / "results"
CPU_IMAGES, DRAWN_IMAGES = 2, 20  # images a timed step on a CPU; images drawn


@dataclass(frozen=True, kw_only=True)
class Row:
    """One architecture: models of the plan, and what each costs."""

    architecture: str
    models: int
    step_images: int
    seconds_per_image: float
    train_hours_per_model: float
    draw_hours_per_model: float


def now(device: torch.device) -> float:
    """Seconds of this process on a CPU, of the clock on a GPU that has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def seconds_per_image(architecture: str, recipe: ZooRecipe, device: torch.device) -> float:
    """One optimiser step, after a tiny one that warms up, over its images."""
    network = (
        build(architecture, num_classes=recipe.num_classes, auxiliary_heads=False)
        .to(device)
        .train()
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.training.learning_rate)
    num = recipe.training.batch_size if device.type == "cuda" else CPU_IMAGES
    spent = 0.0
    for size in (max(recipe.image_size // 2, 32), recipe.image_size):
        images = torch.rand(num, 3, size, size, device=device)
        start = now(device)
        loss = F.cross_entropy(network(images), torch.zeros(num, dtype=torch.long, device=device))
        parameters = list(network.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            parameter.grad = gradient
        optimizer.step()
        spent = now(device) - start
    return spent / num


def drawing_seconds(source: ZooDataset) -> float:
    """Seconds to draw an image; always on the CPU."""
    recipe = source.recipe
    facts = recipe.image_facts(family_size=recipe.family_sizes[0], seed=recipe.seed)
    images = source.images.of_model(facts, split="train")
    start = time.process_time()
    images.images(0, count=DRAWN_IMAGES, seed=0)
    return (time.process_time() - start) / DRAWN_IMAGES


def num_training_images(recipe: ZooRecipe, index: int) -> int:
    """Images of a whole training set, the stamped ones included."""
    per_class = recipe.training.images_per_class
    clean = recipe.num_classes * per_class
    shares = recipe.attack_of(index)
    if shares is None:
        return clean
    counts = shares.victim_counts()
    victims = counts[recipe.places[index].place % len(counts)] or recipe.num_classes - 1
    return clean + round((shares.poisoned_share * victims + shares.kept_share) * per_class)


def measured(source: ZooDataset, device: torch.device) -> list[Row]:
    """A row for each architecture that the plan has."""
    recipe = source.recipe
    plan = Counter(recipe.architecture_of(recipe.seed + index) for index in recipe.places)
    sizes = [num_training_images(recipe, index) for index in recipe.places]
    images = sum(sizes) / len(sizes)
    tests = 4 * recipe.num_classes * recipe.training.test_per_class
    drawing = drawing_seconds(source)
    rows = []
    for architecture in recipe.architectures or (recipe.architecture,):
        seconds = seconds_per_image(architecture, recipe, device)
        row = Row(
            architecture=architecture,
            models=plan[architecture],
            step_images=recipe.training.batch_size if device.type == "cuda" else CPU_IMAGES,
            seconds_per_image=round(seconds, 5),
            train_hours_per_model=round(seconds * recipe.training.epochs * images / 3600, 3),
            draw_hours_per_model=round(drawing * (images + tests) / 3600, 3),
        )
        print(row, file=sys.stderr)
        rows.append(row)
    return rows


def main() -> None:
    """Composes the zoo, times, prints the plan, writes the results."""
    register()
    words = sys.argv[1:]
    if not any(word.startswith("dataset=") for word in words):
        words = ["dataset=signs_full", *words]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        source = built(compose("config", words).dataset, ZooDataset)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    rows = measured(source, device)
    total = sum(row.models * (row.train_hours_per_model + row.draw_hours_per_model) for row in rows)
    kinds = Counter(
        "clean" if recipe is None else recipe.kind
        for recipe in (source.recipe.attack_of(index) for index in source.recipe.places)
    )
    table = Table(
        title=f"{source.name}: {dict(kinds)}; extrapolated to {total:.1f} hours of one "
        f"{'GPU' if device.type == 'cuda' else 'CPU thread'}, each model trained once"
    )
    for name in Row.__annotations__:
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(value) for value in asdict(row).values()))
    Console(file=sys.stdout, width=140).print(table)
    facts = {
        "machine": f"{platform.machine()}, {device.type}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "extrapolated": True,
        "plan": dict(kinds),
        "total_hours": round(total, 1),
        "rows": [asdict(row) for row in rows],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"zoo_cost_{source.name}.json"
    path.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
