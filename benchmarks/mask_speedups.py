"""The whole optimisation of one model's triggers, from the released code's way to the default."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from bare_masks import BareLoop
from hydra import compose, initialize_config_dir
from reference_masks import Shortcuts, reference_mask
from timing import in_turns, median_ratio
from torch import Tensor, nn

from exray.app.instantiate import built
from exray.datasets.zoo import embedded_root, open_zoo
from exray.judges.base import Judgement
from exray.judges.differencing.exray_judge import ExrayJudge
from exray.judges.differencing.mask_optimization import MaskSettings
from exray.judges.differencing.mask_search import MaskResult, MaskSearch
from exray.judges.differencing.set_pairs import DifferencingPlan, plan_pairs
from exray.models.splitting.split_classifier import SplitClassifier
from exray.models.temperature import tempered
from exray.pipeline.preparation import prepare
from exray.pipeline.settings import ScanSettings
from exray.presets import conf_folder
from exray.scanners.base import Scanner

MODEL = "id-00000001"  # of the embedded zoo; trojaned
EPOCHS, LEARNING_RATE = 400, 0.05  # the paper's
SEED = 0
LIGHTNING_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class LadderRow:
    """One way of doing the whole optimisation of a model's triggers."""

    step: str
    seconds: float
    speedup_over_reference: float
    injected: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The model's triggers with what is to be optimised, and its head before any folding."""

    judge: ExrayJudge
    plan: DifferencingPlan
    folded: nn.Module
    unfolded: nn.Module


def subject() -> Subject:
    """The triggers that the default scanner finds."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config")
    model = open_zoo(embedded_root("signs_mini")).load(MODEL)
    prepared = prepare(model.classifier, model.samples, built(config.scan, ScanSettings))
    classifier, samples = prepared.classifier, prepared.selection.samples
    assert samples is not None
    triggers = built(config.scanner.engine, Scanner).scan(classifier, samples).triggers
    judge = built(config.judge.engine, ExrayJudge)
    split = SplitClassifier(classifier, judge.layer, example=samples.images[:4])
    whole = model.classifier.network
    assert isinstance(whole, nn.Sequential)
    cut = next(at for at, (name, _) in enumerate(whole.named_children()) if name == split.layer)
    return Subject(
        judge=judge,
        plan=plan_pairs(split, samples, triggers),
        folded=split.head,
        unfolded=tempered(copy.deepcopy(whole[cut + 1 :]), classifier.temperature),
    )


def ladder() -> list[LadderRow]:
    """Every step's row."""
    bench = subject()
    rows: list[LadderRow] = []
    for step, action in steps(bench).items():
        start = time.perf_counter()
        judgements = action()
        seconds = time.perf_counter() - start
        first = rows[0].seconds if rows else seconds
        rows.append(
            LadderRow(
                step=step,
                seconds=round(seconds, 2),
                speedup_over_reference=round(first / seconds, 2),
                injected="".join("I" if judgement.is_injected else "n" for judgement in judgements),
            )
        )
    return rows


def steps(bench: Subject) -> dict[str, Callable[[], list[Judgement]]]:
    """Each adds something to the one before it; judging the masks is in all of them."""
    mask = bench.judge.mask
    half = replace(mask, patience=mask.epochs)
    lazy = replace(half, learning_rate=LEARNING_RATE, epochs=EPOCHS, patience=EPOCHS)
    full = replace(lazy, recheck=1)
    everywhere = replace(mask.objective, weight_small=1e-9)  # type: ignore[type-var]
    lower = replace(mask, compute=replace(mask.compute, precision="bfloat16"))
    one, frozen = Shortcuts(one_call=True), Shortcuts(one_call=True, frozen=True)

    def loop(
        head: nn.Module, shortcuts: Shortcuts, *, shared: bool = False
    ) -> Callable[[], list[Judgement]]:
        return lambda: bench.judge.judgements(
            bench.plan, one_by_one(head, bench.plan, shortcuts, shared=shared)
        )

    def together(settings: MaskSettings) -> Callable[[], list[Judgement]]:
        return lambda: settled(bench, settings)

    return {
        "reference: one pair at a time": loop(bench.unfolded, Shortcuts()),
        "+ both directions in one call": loop(bench.unfolded, one),
        "+ no gradients for weights": loop(bench.unfolded, frozen),
        "+ batch norms folded": loop(bench.folded, frozen),
        "+ M1 shared between triggers": loop(bench.folded, frozen, shared=True),
        "+ all pairs in one optimisation": together(replace(full, objective=everywhere)),
        "+ no gradient where satisfied": together(full),
        "+ samples satisfied with margin skipped": together(lazy),
        "+ half the epochs at twice the rate": together(half),
        "+ pairs stop early, unless near a threshold (the default)": together(mask),
        "+ bfloat16 (an option)": together(lower),
    }


def settled(bench: Subject, settings: MaskSettings) -> list[Judgement]:
    """The verdicts as the judge comes to them, pairs ones after all epochs."""
    assert bench.plan.pairs is not None
    search = MaskSearch(bench.plan.head, bench.plan.pairs, settings)
    judgements = bench.judge.judgements(bench.plan, search.run())
    pairs = bench.judge.pairs_within_margin(bench.plan, judgements)
    return bench.judge.judgements(bench.plan, search.run_all_epochs(pairs)) if pairs else judgements


def one_by_one(
    head: nn.Module, plan: DifferencingPlan, shortcuts: Shortcuts, *, shared: bool
) -> MaskResult:
    """Every trigger's two masks, one after another; M1 anew for each unless ``shared``."""
    assert plan.pairs is not None
    by_place: dict[int, tuple[Tensor, float]] = {}
    for both in zip(plan.first, plan.second, strict=True):
        for place in both:
            if place is None or (shared and place in by_place):
                continue
            torch.manual_seed(SEED)
            by_place[place] = reference_mask(
                head, plan.pairs, place, epochs=EPOCHS, shortcuts=shortcuts
            )
    masks = [by_place[place] for place in range(len(plan.pairs))]
    count = torch.full((len(masks),), EPOCHS)
    return MaskResult(
        masks=torch.stack([mask for mask, _ in masks]),
        converged=torch.tensor([total < float("inf") for _, total in masks]),
        best_epoch=count,
        epochs=count,
    )


def lightning_ratio() -> dict[str, float]:
    """The whole optimisation under the Trainer over the same in a bare loop, in turns.

    Returns:
        The best seconds of both, their ratio, and the median of the rounds' ratios.
    """
    bench = subject()
    plan, settings = bench.plan, bench.judge.mask
    assert plan.pairs is not None
    pairs = plan.pairs

    def bare() -> None:
        loop = BareLoop(plan.head, pairs, settings)
        while loop.epoch():
            pass

    times = in_turns(
        {"trainer": lambda: MaskSearch(plan.head, pairs, settings).run(), "bare": bare},
        pairs.bank.device,
        LIGHTNING_ROUNDS,
    )
    best = {name: min(seconds) for name, seconds in times.items()}
    return {
        **{name: round(seconds, 3) for name, seconds in best.items()},
        "ratio": round(best["trainer"] / best["bare"], 3),
        "median_ratio": round(median_ratio(times["trainer"], times["bare"]), 3),
    }
