"""Holds the default mask optimisation to the paper's schedule: verdicts kept, epochs saved.

Every pair is optimised once for all of the default's epochs, and once for the paper's with nothing
left out (judge=exray_paper_schedule); each smallest mask so far is remembered. Stopping after fewer
epochs without progress is then replayed, alone and with the judge's margin: pairs of triggers near
a threshold, or without a mask, continue to the default's last epoch. Run, for the embedded zoo or
with any overrides of the command line's: python benchmarks/early_stop.py [dataset=...]. Prints a
table and adds it to benchmarks/results/early_stop.json under the dataset's or the model's name.
"""

import json
import platform
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from bare_masks import BareLoop
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from exray.app.config import register
from exray.app.instantiate import built
from exray.datasets.base import ModelDataset
from exray.judges.differencing.early_stopping import MIN_SHRINKAGE
from exray.judges.differencing.exray_judge import ExrayJudge
from exray.judges.differencing.feature_pairs import FeaturePairs
from exray.judges.differencing.mask_search import MaskResult
from exray.judges.differencing.set_pairs import DifferencingPlan, plan_pairs
from exray.models.splitting.split_classifier import SplitClassifier
from exray.pipeline.preparation import prepare
from exray.pipeline.settings import ScanSettings
from exray.presets import conf_folder
from exray.scanners.base import Scanner

PATIENCES = (10, 20, 40, 80)  # and as many epochs as there are
PAPER = "judge=exray_paper_schedule"
RESULTS = Path(__file__).parent / "results" / "early_stop.json"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one patience gives over all triggers.

    Args:
        patience: Epochs without progress after which a pair is stopped.
        doubt: Distance from a threshold within which a trigger's pairs continue, the judge's
            ``margin``; 0 for none.
        triggers: Judged.
        same_verdicts: Of them with the verdict of the paper's schedule.
        models: With a trigger.
        same_models: Of them with the model's verdict of the paper's schedule.
        epochs_share: Epochs taken over those of the paper's schedule, both summed over pairs.
        mask_sum_ratio: Mean ratio of the masks' sums to the paper's schedule's.
    """

    patience: int
    doubt: float
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


Stop = tuple[int, float]
"""Patience and margin."""


def stops(judge: ExrayJudge) -> list[Stop]:
    """All epochs, and every patience without margin and with the judge's."""
    return [(patience, 0.0) for patience in (*PATIENCES, judge.mask.epochs)] + [
        (patience, judge.margin) for patience in PATIENCES
    ]


def replays(source: ModelDataset, model_id: str, scanner: Scanner, judge: ExrayJudge,
            paper: ExrayJudge, settings: ScanSettings) -> dict[Stop, Replay] | None:  # fmt: skip
    """One model's verdicts, the paper's first; None where nothing is to be judged."""
    model = source.load(model_id)
    prepared = prepare(model.classifier, model.samples, settings)
    classifier, samples = prepared.classifier, prepared.selection.samples
    if samples is None:
        return None
    triggers = scanner.scan(classifier, samples).triggers
    split = SplitClassifier(classifier, judge.layer, example=samples.images[:4])
    plan = plan_pairs(split, samples, triggers) if triggers else None
    if plan is None or plan.pairs is None:
        return None
    ends = [
        replayed(masks, paper.mask.epochs, paper.mask.epochs)
        for masks in smallest_masks(plan.head, plan.pairs, paper)
    ]
    outcomes = {(paper.mask.epochs, 0.0): replay(paper, plan, ends)}
    history = smallest_masks(plan.head, plan.pairs, judge)
    whole = [replayed(masks, judge.mask.epochs, judge.mask.epochs) for masks in history]
    for patience, margin in stops(judge):
        ends = [replayed(masks, patience, judge.mask.epochs) for masks in history]
        verdicts = judge.judgements(plan, as_result(ends, plan.pairs))
        continued = with_margin(judge, margin).pairs_within_margin(plan, verdicts)
        if continued:
            ends = [whole[at] if at in continued else end for at, end in enumerate(ends)]
        outcomes[patience, margin] = replay(judge, plan, ends)
    return outcomes


def replay(
    judge: ExrayJudge, plan: DifferencingPlan, ends: list[tuple[Tensor | None, int]]
) -> Replay:
    """Verdicts, epochs and sizes of the masks that pairs leave with."""
    assert plan.pairs is not None
    masks = as_result(ends, plan.pairs)
    return Replay(
        injected=tuple(judgement.is_injected for judgement in judge.judgements(plan, masks)),
        epochs=int(masks.epochs.sum()),
        sums=masks.masks.sum(dim=1),
    )


def with_margin(judge: ExrayJudge, margin: float) -> ExrayJudge:
    """The same judge with another margin."""
    return ExrayJudge(layer=judge.layer, mask=judge.mask, rule=judge.rule, margin=margin)


def smallest_masks(
    head: nn.Module, pairs: FeaturePairs, judge: ExrayJudge
) -> list[list[tuple[int, Tensor]]]:
    """Of each pair, every mask that was the smallest so far, with its epoch; no pair is stopped."""
    full = replace(judge.mask, patience=judge.mask.epochs)
    loop = BareLoop(head, pairs, full)
    smallest = loop.optimization.smallest
    history: list[list[tuple[int, Tensor]]] = [[] for _ in range(len(pairs))]
    for epoch in range(full.epochs):
        loop.epoch()
        for place in (smallest.epochs == epoch).nonzero().flatten().tolist():
            history[place].append((epoch, smallest.masks[place].clone()))
    return history


def as_result(ends: list[tuple[Tensor | None, int]], pairs: FeaturePairs) -> MaskResult:
    """Masks and epochs as the differencer gives them."""
    ones = torch.ones(pairs.bank.shape[1], dtype=pairs.bank.dtype)
    epochs = torch.tensor([count for _, count in ends])
    return MaskResult(
        masks=torch.stack([ones if mask is None else mask for mask, _ in ends]),
        converged=torch.tensor([mask is not None for mask, _ in ends]),
        best_epoch=epochs,
        epochs=epochs,
    )


def replayed(
    history: list[tuple[int, Tensor]], patience: int, epochs: int
) -> tuple[Tensor | None, int]:
    """The mask a pair leaves with under a patience, and the epochs it took part in."""
    best, gain_sum, gain_epoch = None, float("inf"), 0
    for epoch, mask in history:
        if epoch - gain_epoch > patience:
            break
        best = mask
        if float(mask.sum()) < (1 - MIN_SHRINKAGE) * gain_sum:
            gain_sum, gain_epoch = float(mask.sum()), epoch
    return best, min(epochs, gain_epoch + patience + 1)


def summary(models: list[dict[Stop, Replay]], full: Stop) -> list[Row]:
    """One row a stop, each held against the paper's schedule."""
    rows = []
    for stop in models[0]:
        pairs = [(model[stop], model[full]) for model in models]
        same = [[a == b for a, b in zip(r.injected, whole.injected, strict=True)]
                for r, whole in pairs]  # fmt: skip
        ratios = torch.cat([r.sums / whole.sums for r, whole in pairs])
        epochs = sum(r.epochs for r, _ in pairs) / sum(whole.epochs for _, whole in pairs)
        rows.append(
            Row(
                patience=stop[0],
                doubt=stop[1],
                triggers=sum(map(len, same)),
                same_verdicts=sum(map(sum, same)),
                models=len(pairs),
                same_models=sum(any(r.injected) == any(whole.injected) for r, whole in pairs),
                epochs_share=round(epochs, 3),
                mask_sum_ratio=round(float(ratios.mean()), 3),
            )
        )
    return rows


def main() -> None:
    """Scans, replays, prints and writes."""
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", sys.argv[1:])
        reference = compose("config", [*sys.argv[1:], PAPER])
    source = built(config.dataset, ModelDataset)
    scanner = built(config.scanner.engine, Scanner)
    judge = built(config.judge.engine, ExrayJudge)
    paper = built(reference.judge.engine, ExrayJudge)
    settings = built(config.scan, ScanSettings)
    console = Console()
    models = []
    for model_id in source.model_ids():
        outcomes = replays(source, model_id, scanner, judge, paper, settings)
        if outcomes is not None:
            models.append(outcomes)
        console.print(f"{model_id}: {'nothing to judge' if outcomes is None else 'done'}")
    if not models:
        return
    rows = summary(models, (paper.mask.epochs, 0.0))
    name = source.model_ids()[0] if source.name == "folder" else source.name
    table = Table(title=f"Early stop against {paper.mask.epochs} epochs: {name}")
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
