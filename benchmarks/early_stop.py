"""Holds the early stop of mask optimisation to the full schedule: verdicts kept, epochs saved.

Every pair is optimised for all epochs once, and each smallest mask so far is remembered; stopping
after fewer epochs without a gain is then replayed. Run, for the embedded zoo or with any overrides
of the command line's: python benchmarks/early_stop.py [dataset=...]. Prints a table and adds it to
benchmarks/results/early_stop.json under the dataset's or the model's name.
"""

import json
import platform
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.table import Table
from torch import Tensor

from exray.app.config import ScanSettings, built, register
from exray.app.mistakes import CONF
from exray.app.usable_samples import usable_samples
from exray.differencing.differencer import MaskResult
from exray.differencing.exray_judge import ExrayJudge, plan_pairs
from exray.differencing.mask_optimization import GAIN, MaskOptimization
from exray.models.splitting import SplitClassifier
from exray.scanners.scanner import Scanner
from exray.zoo.source import Source

PATIENCES = (10, 20, 40, 80, 160, 400)
RESULTS = Path(__file__).parent / "results" / "early_stop.json"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one patience gives over all triggers.

    Args:
        patience: Epochs without a gain after which a pair leaves.
        triggers: Judged.
        same_verdicts: Of them with the verdict of the full schedule.
        models: With a trigger.
        same_models: Of them with the model's verdict of the full schedule.
        epochs_share: Epochs taken over those of the full schedule, both summed over pairs.
        mask_sum_ratio: Mean ratio of the masks' sums to the full schedule's.
    """

    patience: int
    triggers: int
    same_verdicts: int
    models: int
    same_models: int
    epochs_share: float
    mask_sum_ratio: float


@dataclass(frozen=True, kw_only=True)
class Replay:
    """One model's results under one patience."""

    injected: tuple[bool, ...]
    epochs: int
    sums: Tensor


def replays(source: Source, model_id: str, scanner: Scanner, judge: ExrayJudge,
            settings: ScanSettings) -> dict[int, Replay] | None:  # fmt: skip
    """One model's verdicts under every patience; None where nothing is to be judged."""
    model = source.load(model_id)
    samples, _, _ = usable_samples(model.classifier, model.samples, settings)
    if samples is None:
        return None
    triggers = scanner.scan(model.classifier, samples).triggers
    split = SplitClassifier(model.classifier, judge.layer, example=samples.images[:4])
    plan = plan_pairs(split, samples, triggers) if triggers else None
    if plan is None or plan.pairs is None:
        return None
    full = replace(judge.mask, patience=judge.mask.epochs)
    module = MaskOptimization(plan.head, plan.pairs, full)
    optimizer = module.configure_optimizers()
    history: list[list[tuple[int, Tensor]]] = [[] for _ in range(len(plan.pairs))]
    for epoch in range(full.epochs):
        module.advance(epoch, optimizer)
        for place in (module.best_epoch == epoch).nonzero().flatten().tolist():
            history[place].append((epoch, module.best[place].clone()))
    found = {}
    for patience in PATIENCES:
        ends = [replayed(each, patience, full.epochs) for each in history]
        masks = torch.stack([
            torch.ones_like(module.best[0]) if mask is None else mask for mask, _ in ends
        ])  # fmt: skip
        epochs = torch.tensor([count for _, count in ends])
        result = MaskResult(
            masks=masks,
            converged=torch.tensor([mask is not None for mask, _ in ends]),
            best_epoch=epochs,
            epochs=epochs,
        )
        verdicts = judge.judgements(plan, result)
        found[patience] = Replay(
            injected=tuple(each.is_injected for each in verdicts),
            epochs=int(epochs.sum()),
            sums=masks.sum(dim=1),
        )
    return found


def replayed(
    history: list[tuple[int, Tensor]], patience: int, epochs: int
) -> tuple[Tensor | None, int]:
    """The mask a pair leaves with under a patience, and the epochs it took part in."""
    best, gain_sum, gain_epoch = None, float("inf"), 0
    for epoch, mask in history:
        if epoch - gain_epoch > patience:
            break
        best = mask
        if float(mask.sum()) < (1 - GAIN) * gain_sum:
            gain_sum, gain_epoch = float(mask.sum()), epoch
    return best, min(epochs, gain_epoch + patience + 1)


def summary(models: list[dict[int, Replay]]) -> list[Row]:
    """One row a patience, each held against the last."""
    rows = []
    for patience in PATIENCES:
        pairs = [(model[patience], model[PATIENCES[-1]]) for model in models]
        same = [[a == b for a, b in zip(r.injected, full.injected, strict=True)]
                for r, full in pairs]  # fmt: skip
        ratios = torch.cat([r.sums / full.sums for r, full in pairs])
        epochs = sum(r.epochs for r, _ in pairs) / sum(full.epochs for _, full in pairs)
        rows.append(
            Row(
                patience=patience,
                triggers=sum(map(len, same)),
                same_verdicts=sum(map(sum, same)),
                models=len(pairs),
                same_models=sum(any(r.injected) == any(full.injected) for r, full in pairs),
                epochs_share=round(epochs, 3),
                mask_sum_ratio=round(float(ratios.mean()), 3),
            )
        )
    return rows


def main() -> None:
    """Scans, replays, prints and writes."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", sys.argv[1:])
    source = built(config.dataset, Source)
    scanner = built(config.scanner.engine, Scanner)
    judge = built(config.judge.engine, ExrayJudge)
    settings = built(config.scan, ScanSettings)
    console = Console()
    models = []
    for model_id in source.model_ids():
        found = replays(source, model_id, scanner, judge, settings)
        if found is not None:
            models.append(found)
        console.print(f"{model_id}: {'nothing to judge' if found is None else 'done'}")
    if not models:
        return
    rows = summary(models)
    name = source.model_ids()[0] if source.name == "folder" else source.name
    table = Table(title=f"Early stop against {judge.mask.epochs} epochs: {name}")
    for key in asdict(rows[0]):
        table.add_column(key.replace("_", " "))
    for row in rows:
        table.add_row(*(str(value) for value in asdict(row).values()))
    console.print(table)
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    stored[name] = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "seed": config.seed,
        "rows": [asdict(row) for row in rows],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
