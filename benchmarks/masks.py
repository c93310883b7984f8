"""Times mask optimisation against the released code's way and against the floor.

The floor is the same number of samples through the bare head, forward and backward to its input, at
the best batch size. Three tables: per epoch, for several networks and numbers of pairs, where no
constraint ever holds, so that every sample needs its gradient (the worst case), with the memory of
one call's activations (on a CPU what autograd keeps, on a GPU the peak); the whole optimisation of
a trojaned embedded model's triggers, step by step from the reference (the ladder); and Lightning's
share. Run: make bench. Writes benchmarks/results/masks.json and masks.png.
"""

import copy
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from hydra import compose, initialize_config_dir
from reference_masks import Shortcuts, reference_mask
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from exray.app.config import ScanSettings, built, register
from exray.app.mistakes import CONF
from exray.app.usable_samples import usable_samples
from exray.differencing.differencer import MaskResult, find_masks
from exray.differencing.exray_judge import ExrayJudge, Plan, plan_pairs
from exray.differencing.feature_pairs import FeaturePairs, SetPair
from exray.differencing.mask_optimization import MaskOptimization, MaskSettings
from exray.models.architectures import build
from exray.models.classifier import Classifier, Preprocessing
from exray.models.splitting import SplitClassifier
from exray.scanners.scanner import Scanner
from exray.zoo.zoo_source import embedded_root, open_zoo

SEED, SAMPLES, CLASSES, REPEATS = 0, 10, 8, 2
PAIRS = (1, 4, 16, 64)
NETWORKS = {  # name: architecture, pixels, layer, epochs timed
    "mini": ("signs_resnet", 64, "middle", 10),
    "network_in_network": ("network_in_network", 32, "middle", 2),
    "resnet18": ("torchvision/resnet18", 64, "middle", 2),
    "resnet50": ("torchvision/resnet50", 64, "middle", 2),
    "densenet121": ("torchvision/densenet121", 64, "middle", 2),
}
BATCHES = (8, 16, 32, 64, 128)
MODEL = "id-00000001"  # of the embedded zoo; trojaned
WHOLE_EPOCHS = 400
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One network and number of pairs; seconds an epoch."""

    network: str
    pairs: int
    seconds: float
    floor_seconds: float
    ratio_to_floor: float
    reference_seconds: float
    speedup_over_reference: float
    activations_mib: float
    samples_per_call: int


@dataclass(frozen=True, kw_only=True)
class LadderRow:
    """One way of doing the whole optimisation of a model's triggers."""

    step: str
    seconds: float
    speedup_over_reference: float
    injected: str


def now(device: torch.device) -> float:
    """Seconds, once the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def best_of(action: Callable[[], object], device: torch.device, repeats: int = REPEATS) -> float:
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(repeats):
        start = now(device)
        action()
        times.append(now(device) - start)
    return min(times)


def floor_seconds(head: nn.Module, features: Tensor, count: int) -> float:
    """Seconds that ``count`` samples take through the bare head and back, at the best batch."""

    def passes(batch: int) -> None:
        for start in range(0, count, batch):
            size = min(batch, count - start)
            places = torch.arange(start, start + size) % len(features)
            leaf = features[places].requires_grad_(True)
            torch.autograd.grad(head(leaf).sum(), leaf)

    timed = [batch for batch in BATCHES if batch <= count] or [count]
    return min(best_of(lambda: passes(batch), features.device, 2) for batch in timed)  # noqa: B023


def mask_settings(**overrides: object) -> MaskSettings:
    """The default judge's settings."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        judge = built(compose("config").judge.engine, ExrayJudge)
    return replace(judge.mask, **overrides)  # type: ignore[arg-type]


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


def epoch_row(name: str, count: int, device: torch.device) -> EpochRow:
    """Seconds an epoch of all pairs, beside the floor and the reference."""
    torch.manual_seed(SEED)
    split, features = random_split(name, device)
    pairs = unreachable_pairs(split, features, count)
    epochs = NETWORKS[name][3]
    module = MaskOptimization(split.head, pairs, mask_settings())
    optimizer = module.configure_optimizers()
    module.advance(0, optimizer)  # learns that every sample needs its gradient
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def some_epochs() -> None:
        for _ in range(epochs):
            module.advance(1, optimizer)

    seconds = best_of(some_epochs, device) / epochs
    in_one_call = min(module.samples_per_call, 2 * SAMPLES * count)
    held = float(module.calls.bytes_per_sample * in_one_call)
    if device.type == "cuda":
        held = float(torch.cuda.max_memory_allocated())
    floor = floor_seconds(split.head, features, 2 * SAMPLES * count)
    head = copy.deepcopy(split.head)
    reference = count * best_of(
        lambda: reference_mask(head, pairs, 0, epochs=1, shortcuts=Shortcuts()), device
    )
    return EpochRow(
        network=name,
        pairs=count,
        seconds=round(seconds, 4),
        floor_seconds=round(floor, 4),
        ratio_to_floor=round(seconds / floor, 3),
        reference_seconds=round(reference, 4),
        speedup_over_reference=round(reference / seconds, 2),
        activations_mib=round(held / (1 << 20), 1),
        samples_per_call=module.samples_per_call,
    )


def ladder() -> tuple[list[LadderRow], dict[str, float]]:
    """The whole optimisation of one model's triggers, from the reference to the default."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config")
    zoo = open_zoo(embedded_root("signs_mini"))
    model = zoo.load(MODEL)
    samples, _, _ = usable_samples(
        model.classifier, model.samples, built(config.scan, ScanSettings)
    )
    assert samples is not None
    triggers = built(config.scanner.engine, Scanner).scan(model.classifier, samples).triggers
    judge = built(config.judge.engine, ExrayJudge)
    split = SplitClassifier(model.classifier, judge.layer, example=samples.images[:4])
    plan = plan_pairs(split, samples, triggers)
    assert plan.pairs is not None
    pairs = plan.pairs
    whole = model.classifier.network
    assert isinstance(whole, nn.Sequential)
    cut = next(at for at, (name, _) in enumerate(whole.named_children()) if name == split.layer)
    unfolded = copy.deepcopy(whole[cut + 1 :])
    rows: list[LadderRow] = []

    def measure(step: str, action: Callable[[], MaskResult]) -> None:
        start = time.perf_counter()
        masks = action()
        seconds = time.perf_counter() - start
        found = judge.judgements(plan, masks)
        first = rows[0].seconds if rows else seconds
        told = "".join("I" if each.is_injected else "n" for each in found)
        rows.append(
            LadderRow(
                step=step,
                seconds=round(seconds, 2),
                speedup_over_reference=round(first / seconds, 2),
                injected=told,
            )
        )

    def loop(head: nn.Module, shortcuts: Shortcuts, *, shared: bool) -> Callable[[], MaskResult]:
        return lambda: one_by_one(head, plan, shortcuts, shared=shared)

    def together(settings: MaskSettings) -> Callable[[], MaskResult]:
        return lambda: find_masks(plan.head, pairs, settings)

    full = replace(judge.mask, epochs=WHOLE_EPOCHS, patience=WHOLE_EPOCHS)
    everywhere = replace(judge.mask.objective, weight_small=1e-9)  # type: ignore[type-var]
    one, frozen = Shortcuts(one_call=True), Shortcuts(one_call=True, frozen=True)
    measure("reference: one pair at a time", loop(unfolded, Shortcuts(), shared=False))
    measure("+ both directions in one call", loop(unfolded, one, shared=False))
    measure("+ no gradients for weights", loop(unfolded, frozen, shared=False))
    measure("+ batch norms folded", loop(split.head, frozen, shared=False))
    measure("+ M1 shared between triggers", loop(split.head, frozen, shared=True))
    measure("+ all pairs in one optimisation", together(replace(full, objective=everywhere)))
    measure("+ no gradient where satisfied", together(full))
    measure("+ pairs leave (the default)", together(judge.mask))
    lower = replace(judge.mask, compute=replace(judge.mask.compute, precision="bfloat16"))
    measure("+ bfloat16 (an option)", together(lower))
    return rows, lightning_ratio(plan.head, pairs, judge.mask)


def one_by_one(head: nn.Module, plan: Plan, shortcuts: Shortcuts, *, shared: bool) -> MaskResult:
    """Every trigger's two masks, one after another; M1 anew for each unless ``shared``."""
    assert plan.pairs is not None
    found: dict[int, tuple[Tensor, float]] = {}
    for both in zip(plan.first, plan.second, strict=True):
        for place in both:
            if place is None or (shared and place in found):
                continue
            torch.manual_seed(SEED)
            found[place] = reference_mask(
                head, plan.pairs, place, epochs=WHOLE_EPOCHS, shortcuts=shortcuts
            )
    masks = [found[place] for place in range(len(plan.pairs))]
    count = torch.full((len(masks),), WHOLE_EPOCHS)
    return MaskResult(
        masks=torch.stack([mask for mask, _ in masks]),
        converged=torch.tensor([total < float("inf") for _, total in masks]),
        best_epoch=count,
        epochs=count,
    )


def lightning_ratio(
    head: nn.Module, pairs: FeaturePairs, settings: MaskSettings
) -> dict[str, float]:
    """The whole optimisation under the Trainer over the same in a bare loop, interleaved."""

    def bare() -> None:
        module = MaskOptimization(head, pairs, settings)
        optimizer = module.configure_optimizers()
        for epoch in range(settings.epochs):
            if not module.advance(epoch, optimizer):
                return

    times: dict[str, list[float]] = {"trainer": [], "bare": []}
    for _ in range(REPEATS):
        times["trainer"].append(
            best_of(lambda: find_masks(head, pairs, settings), pairs.bank.device, 1)
        )
        times["bare"].append(best_of(bare, pairs.bank.device, 1))
    best = {name: round(min(each), 3) for name, each in times.items()}
    return {**best, "ratio": round(best["trainer"] / best["bare"], 3)}


def draw(rows: list[EpochRow], path: Path) -> None:
    """Seconds an epoch over pairs, with the floor dashed."""
    figure, axis = plt.subplots(figsize=(6, 4))
    for name in NETWORKS:
        own = [row for row in rows if row.network == name]
        counts = [row.pairs for row in own]
        (line,) = axis.plot(counts, [row.seconds for row in own], marker="o", label=name)
        floors = [row.floor_seconds for row in own]
        axis.plot(counts, floors, linestyle="--", color=line.get_color(), alpha=0.6)
    axis.set(xscale="log", yscale="log", xlabel="pairs of sets", ylabel="seconds an epoch")
    axis.set_title("Mask optimisation (dashed: the floor)")
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def table(title: str, rows: list[EpochRow] | list[LadderRow]) -> Table:
    """Rows for the console."""
    shown = Table(title=title)
    for name in asdict(rows[0]):
        shown.add_column(name.replace("_", " "))
    for row in rows:
        shown.add_row(*(str(value) for value in asdict(row).values()))
    return shown


def main() -> None:
    """Measures, prints the tables, writes the results."""
    register()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    console = Console(file=sys.stdout, width=150)
    steps, lightning = ladder()
    console.print(table(f"Whole optimisation, triggers of {MODEL}, {WHOLE_EPOCHS} epochs", steps))
    console.print(f"Lightning: {lightning}")
    rows = []
    for name in NETWORKS:
        for count in PAIRS:
            rows.append(epoch_row(name, count, device))
            console.print(str(asdict(rows[-1])), highlight=False)
    console.print(table("One epoch in which every sample needs its gradient", rows))
    facts = {
        "machine": f"{platform.machine()}, {device.type}, {torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "seed": SEED,
        "rows": [asdict(row) for row in rows],
        "ladder": [asdict(row) for row in steps],
        "lightning": lightning,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "masks.json").write_text(json.dumps(facts, indent=1) + "\n")
    draw(rows, RESULTS / "masks.png")


if __name__ == "__main__":
    main()
