"""Times mask optimisation against the released code's way and against the floor.

The floor is the same number of samples through the bare head, forward and backward to its input, at
the best batch size. Four parts: per epoch, for several networks and numbers of pairs, where no
constraint ever holds, so that every sample needs its gradient (the worst case), with peak memory;
growth with epochs; the whole optimisation of a trojaned embedded model's triggers, step by step
from the reference (``mask_speedups.py``); and the same under Lightning's Trainer over a bare loop
(``bare_masks.py``). Run: python benchmarks/masks.py [ladder] [lightning] [growth] [epochs]
[NETWORK ...]; without arguments everything. Writes benchmarks/results/masks.json, of which parts
that are not run keep their rows, and masks.png.
"""

import copy
import json
import multiprocessing
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from bare_masks import BareLoop
from hydra import compose, initialize_config_dir
from mask_speedups import EPOCHS, MODEL, ladder, lightning_ratio
from reference_masks import Shortcuts, reference_mask
from rich.console import Console
from rich.table import Table
from timing import facts, floor, in_turns, median_ratio, peak_mib, seconds_of
from torch import Tensor

from exray.app.config import register
from exray.app.instantiate import built
from exray.judges.differencing.exray_judge import ExrayJudge
from exray.judges.differencing.feature_pairs import FeaturePairs, SetPair
from exray.judges.differencing.mask_optimization import MaskSettings
from exray.judges.differencing.mask_search import find_masks
from exray.models.architectures.registry import build
from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting.split_classifier import SplitClassifier
from exray.presets import conf_folder

SEED, SAMPLES, CLASSES = 0, 10, 8
PAIRS = (1, 4, 16, 64)
ROUNDS = {1: 7, 4: 7, 16: 5, 64: 3}  # by pairs
NETWORKS = {  # name: architecture, pixels, layer, epochs timed in a round
    "mini": ("signs_resnet", 64, "middle", 4),
    "network_in_network": ("network_in_network", 32, "middle", 1),
    "resnet18": ("torchvision/resnet18", 64, "middle", 1),
    "resnet50": ("torchvision/resnet50", 64, "middle", 1),
    "densenet121": ("torchvision/densenet121", 64, "middle", 1),
}
GROWTH = (25, 50, 100, 200)  # epochs
PARTS = ("ladder", "lightning", "growth", "epochs")
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One network and number of pairs; seconds an epoch, MiB at the peak."""

    network: str
    pairs: int
    seconds: float
    floor_seconds: float
    ratio_to_floor: float
    reference_seconds: float
    speedup_over_reference: float
    peak_mib: float
    samples_per_call: int


@dataclass(frozen=True, kw_only=True)
class GrowthRow:
    """Seconds of a whole optimisation of four pairs of the mini network, none stopped early."""

    epochs: int
    seconds: float
    milliseconds_an_epoch: float


def mask_settings() -> MaskSettings:
    """The default judge's settings."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        judge = built(compose("config").judge.engine, ExrayJudge)
    return judge.mask


def random_split(name: str, device: torch.device) -> tuple[SplitClassifier, Tensor]:
    """An untrained network, cut, with the features of noise."""
    architecture, pixels, layer, _ = NETWORKS[name]
    network = build(architecture, num_classes=CLASSES).to(device)
    classifier = Classifier(network, Preprocessing(), num_classes=CLASSES, name=name)
    images = torch.rand(2 * SAMPLES, 3, pixels, pixels, device=device)
    split = SplitClassifier(classifier, layer, example=images[:2])
    return split, split.cached_features(images)


def unreachable_pairs(split: SplitClassifier, features: Tensor, count: int) -> FeaturePairs:
    """Pairs between two classes that the network never answers: every constraint is violated."""
    answers = torch.bincount(split.head(features).argmax(dim=1), minlength=CLASSES)
    classes = answers.argsort()[:2].tolist()
    one = SetPair(
        first=tuple(range(SAMPLES)),
        second=tuple(range(SAMPLES, 2 * SAMPLES)),
        first_class=classes[0],
        second_class=classes[1],
        one_to_one=False,
    )
    return FeaturePairs(features, [one] * count)


def epoch_row(name: str, count: int, device_type: str) -> EpochRow:
    """Seconds an epoch of all pairs, in turns with the floor, and beside the reference.

    For a process of its own: what earlier rows leave in memory costs later ones up to half as much
    again.
    """
    register()
    device = torch.device(device_type)
    peak = peak_of(name, count, device)
    torch.manual_seed(SEED)
    split, features = random_split(name, device)
    pairs = unreachable_pairs(split, features, count)
    epochs = NETWORKS[name][3]
    loop = ready(split, pairs)
    bare = floor(split.head, features, 2 * SAMPLES * count)
    times = in_turns(
        {
            "ours": lambda: [loop.epoch() for _ in range(epochs)],
            "floor": lambda: [bare() for _ in range(epochs)],
        },
        device,
        ROUNDS[count],
    )
    seconds, floor_seconds = (min(rounds) / epochs for rounds in times.values())
    head = copy.deepcopy(split.head)
    reference = count * min(
        seconds_of(lambda: reference_mask(head, pairs, 0, epochs=1, shortcuts=Shortcuts()), device)
        for _ in range(2)
    )
    return EpochRow(
        network=name,
        pairs=count,
        seconds=round(seconds, 4),
        floor_seconds=round(floor_seconds, 4),
        ratio_to_floor=round(median_ratio(*times.values()), 3),
        reference_seconds=round(reference, 4),
        speedup_over_reference=round(reference / seconds, 2),
        peak_mib=round(peak, 1),
        samples_per_call=loop.optimization.samples_per_call,
    )


def ready(split: SplitClassifier, pairs: FeaturePairs) -> BareLoop:
    """An optimisation that knows that every sample needs its gradient, and never stops a pair."""
    settings = replace(mask_settings(), epochs=10_000, patience=10_000)
    loop = BareLoop(split.head, pairs, settings)
    loop.epoch()
    return loop


def peak_of(name: str, count: int, device: torch.device) -> float:
    """MiB that two epochs take beyond the network and the features."""
    torch.manual_seed(SEED)
    split, features = random_split(name, device)
    pairs = unreachable_pairs(split, features, count)
    return peak_mib(lambda: ready(split, pairs).epoch(), features.device)


def growth(device: torch.device) -> list[GrowthRow]:
    """Seconds of whole optimisations of more and more epochs."""
    torch.manual_seed(SEED)
    split, features = random_split("mini", device)
    pairs = unreachable_pairs(split, features, 4)
    rows = []
    for epochs in GROWTH:
        settings = replace(mask_settings(), epochs=epochs, patience=epochs)
        seconds = seconds_of(lambda: find_masks(split.head, pairs, settings), device)  # noqa: B023
        rows.append(
            GrowthRow(
                epochs=epochs,
                seconds=round(seconds, 3),
                milliseconds_an_epoch=round(1000 * seconds / epochs, 2),
            )
        )
    return rows


def draw(rows: list[EpochRow], path: Path) -> None:
    """Seconds an epoch over pairs, with the floor dashed."""
    figure, axis = plt.subplots(figsize=(6, 4))
    for name in NETWORKS:
        own = [row for row in rows if row.network == name]
        if not own:
            continue
        counts = [row.pairs for row in own]
        (line,) = axis.plot(counts, [row.seconds for row in own], marker="o", label=name)
        floors = [row.floor_seconds for row in own]
        axis.plot(counts, floors, linestyle="--", color=line.get_color(), alpha=0.6)
    axis.set(xscale="log", yscale="log", xlabel="pairs of sets", ylabel="seconds an epoch")
    axis.set_title("Mask optimisation (dashed: the floor)")
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def table(title: str, rows: Sequence[object]) -> Table:
    """Rows for the console."""
    shown = Table(title=title)
    values = [asdict(row) for row in rows]  # type: ignore[call-overload]
    for name in values[0]:
        shown.add_column(name.replace("_", " "))
    for row in values:
        shown.add_row(*(str(cell) for cell in row.values()))
    return shown


def measured(
    parts: Sequence[str], names: Sequence[str], device: torch.device, console: Console
) -> dict[str, Any]:
    """The parts' rows, printed as they come."""
    results: dict[str, Any] = {}
    if "ladder" in parts:
        steps = ladder()
        console.print(table(f"Whole optimisation, triggers of {MODEL}, {EPOCHS} epochs", steps))
        results["ladder"] = [asdict(row) for row in steps]
    if "lightning" in parts:
        results["lightning"] = lightning_ratio()
        console.print(f"Lightning: {results['lightning']}")
    if "growth" in parts:
        grown = growth(device)
        console.print(table("Growth with epochs", grown))
        results["growth"] = [asdict(row) for row in grown]
    if "epochs" in parts:
        rows = []
        for name in names:
            for count in PAIRS:
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    rows.append(pool.apply(epoch_row, (name, count, device.type)))
                console.print(str(asdict(rows[-1])), highlight=False)
        console.print(table("One epoch in which every sample needs its gradient", rows))
        results["rows"] = [asdict(row) for row in rows]
    return results


def main() -> None:
    """Measures, prints the tables, writes the results."""
    register()
    asked = sys.argv[1:]
    unknown = [word for word in asked if word not in (*PARTS, *NETWORKS)]
    if unknown:
        raise SystemExit(f"no part or network {unknown[0]}; there are {[*PARTS, *NETWORKS]}")
    names = [name for name in NETWORKS if name in asked] or list(NETWORKS)
    parts = [part for part in PARTS if part in asked] or list(PARTS)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    results = measured(parts, names, device, Console(file=sys.stdout, width=150))
    path = RESULTS / "masks.json"
    stored = json.loads(path.read_text()) if path.is_file() else {}
    if "rows" in results:
        others = [row for row in stored.get("rows", ()) if row["network"] not in names]
        order = list(NETWORKS)
        results["rows"] = sorted(
            [*others, *results["rows"]], key=lambda row: (order.index(row["network"]), row["pairs"])
        )
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps({**stored, **facts(device, SEED), **results}, indent=1) + "\n")
    if "rows" in results:
        draw([EpochRow(**row) for row in results["rows"]], RESULTS / "masks.png")


if __name__ == "__main__":
    main()
