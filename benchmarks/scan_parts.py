"""Times the steps of a scan against the floor: bare forward and input-gradient passes.

Run: make bench. Writes benchmarks/results/scan_parts.json.
"""

import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from exray.differencing.differencer import find_masks
from exray.differencing.feature_pairs import FeaturePairs, SetPair
from exray.differencing.head_calls import HeadSettings
from exray.differencing.mask_optimization import MaskSettings
from exray.differencing.objective import CrossEntropyBarrier
from exray.models.splitting import SplitClassifier
from exray.scanners.bounded_lead import BoundedLead
from exray.scanners.engine import Candidate, EngineSettings, Inversion
from exray.scanners.patches import square_patches
from exray.scanners.probe import Start
from exray.zoo.zoo_source import embedded_root, open_zoo

SEED, REPEATS, EPOCHS, STEPS, SAMPLES = 0, 3, 40, 10, 10
RESULTS = Path(__file__).parent / "results" / "scan_parts.json"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured part: seconds of the best of ``REPEATS`` runs, and of its floor."""

    part: str
    pairs: int
    seconds: float
    floor_seconds: float
    ratio_to_floor: float


def best_seconds(run: Callable[[], object]) -> float:
    """Least wall time of several runs, after one that is not counted."""
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def gradient_pass(network: Callable[[Tensor], Tensor], inputs: Tensor, batch: int) -> None:
    """A bare forward pass and the gradient of its inputs, batch by batch."""
    for part in torch.split(inputs, batch):
        leaf = part.detach().requires_grad_(True)
        torch.autograd.grad(network(leaf).sum(), leaf)


def mask_row(split: SplitClassifier, features: Tensor, labels: Tensor, pairs: int) -> Row:
    """Mask optimisation of some class pairs against the head's bare passes."""
    rows = [tuple((labels == k).nonzero().flatten()[:SAMPLES].tolist()) for k in range(8)]
    sets = [
        SetPair(
            first=rows[index % 8],
            second=rows[(index + 1 + index // 8) % 8],
            first_class=index % 8,
            second_class=(index + 1 + index // 8) % 8,
            one_to_one=False,
        )
        for index in range(pairs)
    ]
    settings = MaskSettings(
        objective=CrossEntropyBarrier(
            alpha=0.1, weight_large=100.0, weight_small=0.0, direction="both"
        ),
        learning_rate=0.05,
        epochs=EPOCHS,
        patience=EPOCHS,
        pairing="each_epoch",
        compute=HeadSettings(
            memory_budget_gb=2.0, precision="float32", channels_last=False, compile=False
        ),
        seed=SEED,
    )
    bank = FeaturePairs(features, sets)
    seconds = best_seconds(lambda: find_masks(split.head, bank, settings))
    inputs = features[torch.arange(2 * SAMPLES * pairs) % len(features)]

    def floor() -> None:
        for _ in range(EPOCHS):
            gradient_pass(split.head, inputs, 64)

    return row("masks", pairs, seconds, best_seconds(floor))


def inversion_row(split: SplitClassifier, images: dict[int, Tensor], pairs: int) -> Row:
    """Inversion steps of some candidates against the network's bare passes."""
    candidates = [
        Candidate(victims=(index % 8,), target=(index + 1 + index // 8) % 8)
        for index in range(pairs)
    ]
    start = Start(colour=(0.98, 0.02, 0.02), top=27, left=27, lead=0.0)
    patches = square_patches(
        candidates, [start] * pairs, side=9, image_size=(64, 64), pattern="colour", seed=SEED,
        device=torch.device("cpu"),
    )  # fmt: skip
    inversion = Inversion(
        split,
        candidates,
        [images[each.victims[0]] for each in candidates],
        shape=patches,
        objective=BoundedLead(max_pixels=130.0, neuron_weight=0.0),
        settings=EngineSettings(learning_rate=0.1, betas=(0.9, 0.999), noise=0.05, seed=SEED),
    )
    seconds = best_seconds(lambda: inversion.run(STEPS, alive=range(pairs), images_per_step=4))
    pool = torch.cat(list(images.values()))
    inputs = pool[torch.arange(4 * pairs) % len(pool)]

    def network(batch: Tensor) -> Tensor:
        logits: Tensor = split.head(split.features(batch))
        return logits

    def floor() -> None:
        for _ in range(STEPS):
            gradient_pass(network, inputs, 128)

    return row("inversion", pairs, seconds, best_seconds(floor))


def row(part: str, pairs: int, seconds: float, floor: float) -> Row:
    """A row with its ratio."""
    return Row(
        part=part,
        pairs=pairs,
        seconds=round(seconds, 4),
        floor_seconds=round(floor, 4),
        ratio_to_floor=round(seconds / floor, 3),
    )


def main() -> None:
    """Measures, prints a table, writes the results."""
    torch.manual_seed(SEED)
    zoo = open_zoo(embedded_root("signs_mini"))
    model = zoo.load(zoo.model_ids()[0])
    split = SplitClassifier(model.classifier, "middle", example=model.samples.images[:4])
    features = split.cached_features(model.samples.images)
    images = {k: model.samples.of_class(k) for k in range(8)}
    rows = [mask_row(split, features, model.samples.labels, pairs) for pairs in (1, 4, 16)]
    rows += [inversion_row(split, images, pairs) for pairs in (1, 8, 56)]
    table = Table(title="Parts of a scan, mini network, cut at middle")
    for name in ("part", "pairs", "seconds", "floor_seconds", "ratio_to_floor"):
        table.add_column(name)
    for each in rows:
        table.add_row(*(str(value) for value in asdict(each).values()))
    Console(file=sys.stdout).print(table)
    facts = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "seed": SEED,
        "rows": [asdict(each) for each in rows],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
