"""Seconds and verdicts of the portfolio: per model and stage, against plain form and floor, growth.

Run: python benchmarks/verdicts.py [--part models forms growth] [--zoo DIR] [--models 0 1]
[--change KEY=VALUE ...] [--fast]. The models are those of the embedded zoo, or of any zoo that
exray built. Prints tables and writes benchmarks/results/verdicts.json, where parts that were not
run again stay.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import torch
from benchmark_models import SEED, Subject, of_zoo, planted
from hydra import compose, initialize_config_dir
from result_tables import Row, table, write
from rich.console import Console
from scanner_timings import best_floor
from timing import facts, seconds_of

from exray.app.config import register, settle_fast_values
from exray.app.instantiate import built
from exray.datasets.zoo import embedded_root, open_zoo
from exray.judges.base import Judge
from exray.pipeline.scan import scan_classifier
from exray.pipeline.settings import ScanSettings
from exray.presets import conf_folder
from exray.rules.verdict import Verdict
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.inversion.universal import universal_candidate
from exray.scanners.portfolio.many_targets import ManyTargetsSearch
from exray.scanners.portfolio.scanner import PortfolioScanner
from exray.scanners.portfolio.scene import Scene
from exray.scanners.portfolio.search import KindSearch, Search
from exray.scanners.portfolio.stages import Stage, StagedInversion

RESULTS = Path(__file__).parent / "results" / "verdicts.json"
PARTS = ("models", "forms", "growth")
CPU = torch.device("cpu")
FLOOR_PASSES = 600  # images of which the floor is timed, and scaled up
CLASSES, SIDES = (5, 10, 20, 43), (32, 48, 64)
USUAL_CLASSES, USUAL_SIDE = 10, 32


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What is timed.

    Args:
        scanner: The portfolio.
        judge: The judge.
        settings: Bars and samples.
    """

    scanner: PortfolioScanner
    judge: Judge
    settings: ScanSettings


def configured(changes: Sequence[str], *, fast: bool) -> Parts:
    """The portfolio and the judge of strangers' models, with some settings changed.

    Args:
        changes: Overrides, as on the command line.
        fast: Whether to take the values of ``debug=fast``, to see that everything runs.
    """
    words = ["scanner=portfolio", "judge=exray_calibrated", *changes]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides=[*words, *(["debug=fast"] if fast else [])])
    settle_fast_values(config, words)
    return Parts(
        scanner=built(config.scanner.engine, PortfolioScanner),
        judge=built(config.judge.engine, Judge).for_scanner(config.scanner.name),
        settings=built(config.scan, ScanSettings),
    )


def model_row(root: Path, model_id: str, parts: Parts) -> Row:
    """One model's verdict, and the seconds of each stage."""
    zoo, started = open_zoo(root), time.perf_counter()
    model = zoo.load(model_id)
    scan = scan_classifier(
        model.classifier,
        model.samples,
        scanner=parts.scanner,
        judge=parts.judge,
        settings=parts.settings,
        started=started,
    )
    answer, truth = scan.scanner_result, zoo.truth(model_id)
    searches = () if answer is None else answer.searches
    spent = {report.name: report.seconds for report in searches}
    load, inversion = scan.seconds.get("load", 0.0), scan.seconds.get("inversion", 0.0)
    stages = {
        "load": load,
        **{search.name: spent.get(search.name, 0.0) for search in parts.scanner.searches},
        "scene": inversion - sum(spent.values()),
        "masks": scan.seconds.get("judgement", 0.0),
        "total": scan.seconds["total"],
    }
    return {
        "model": model_id,
        "trojaned": None if truth is None else truth.is_trojaned,
        "verdict": scan.verdict.value,
        "probability": round(scan.probability, 3),
        "images": sum(report.image_passes for report in searches),
        **{name: round(seconds, 2) for name, seconds in stages.items()},
    }


def mean_row(rows: Sequence[Row]) -> Row:
    """How many verdicts are right, and the mean of all numbers."""
    known = [row for row in rows if row["trojaned"] is not None]
    right = sum((row["verdict"] == Verdict.TROJANED.value) == row["trojaned"] for row in known)
    numbers = list(rows[0])[4:]
    return {
        "model": "mean",
        "trojaned": None,
        "verdict": f"{right} of {len(known)} right",
        "probability": None,
        **{name: round(mean(_number(row[name]) for row in rows), 2) for name in numbers},
    }


def form_row(subject: Subject, search: Search, share: int, layer: str) -> Row:
    """One search against each candidate by itself, and against bare passes of as many images.

    In the plain form nothing is screened: every target and every pair goes through all stages.
    One candidate in ``share`` is timed and the seconds scaled up.
    """
    scene = scene_of(subject, layer)
    search.run(scene)  # what runs first pays for what torch sets up
    scene = scene_of(subject, layer)
    begun = time.perf_counter()
    report = search.run(scene).report
    seconds = time.perf_counter() - begun
    floor_seconds = None
    if report.image_passes:
        bare, _ = best_floor(subject, FLOOR_PASSES)
        floor_seconds = seconds_of(bare, CPU) * report.image_passes / FLOOR_PASSES
    plain = plain_seconds(search, scene, share)
    return {
        "model": subject.name,
        "search": search.name,
        "candidates": report.num_candidates,
        "images": report.image_passes,
        "seconds": round(seconds, 3),
        "floor_seconds": None if floor_seconds is None else round(floor_seconds, 3),
        "ratio_to_floor": None if floor_seconds is None else round(seconds / floor_seconds, 2),
        "reference_seconds": None if plain is None else round(plain, 2),
        "speedup_over_reference": None if plain is None else round(plain / seconds, 1),
    }


def plain_seconds(search: Search, scene: Scene, share: int) -> float | None:
    """Seconds of all candidates of a search, each alone; None for searches of another form."""
    if not isinstance(search, KindSearch):
        return None
    present = scene.present
    targets = [universal_candidate(target, present) for target in present]
    pairs = [Candidate(victims=(v,), target=t) for v in present for t in present if v != t]
    stages = (search.screen, *search.universal)
    seconds = _alone(search, scene, targets, stages, share)
    return seconds + (_alone(search, scene, pairs, search.pairs, share) if search.pairs else 0.0)


def _alone(
    search: KindSearch,
    scene: Scene,
    candidates: Sequence[Candidate],
    stages: Sequence[Stage],
    share: int,
) -> float:
    """Seconds of candidates, some of them timed, one after the other."""
    timed = candidates[::share]
    begun = time.perf_counter()
    for candidate in timed:
        inversion = StagedInversion(
            scene,
            search.kind,
            [candidate],
            optimizer=search.inversion,
            first_bound=search.first_bound,
        )
        for stage in stages:
            inversion.run(replace(stage, keep=1), [0])
    return (time.perf_counter() - begun) * len(candidates) / len(timed)


def growth_row(num_classes: int, pixels: int, parts: Parts) -> Row:
    """Seconds of the searches on the mini architecture with so many classes and pixels."""
    subject = planted("signs_resnet", num_classes=num_classes, pixels=pixels, images_per_class=10)
    begun = time.perf_counter()
    result = parts.scanner.scan(subject.classifier, subject.samples)
    seconds = time.perf_counter() - begun
    targets = {target for _, target in subject.injected}
    return {
        "classes": num_classes,
        "pixels": pixels,
        "found": any(trigger.target_class in targets for trigger in result.triggers),
        "candidates": result.num_candidates,
        "images": sum(report.image_passes for report in result.searches),
        "seconds": round(seconds, 2),
        **{report.name: round(report.seconds, 2) for report in result.searches},
    }


def scene_of(subject: Subject, layer: str) -> Scene:
    """A fresh scene, in which searches have shared nothing so far."""
    return Scene.of(subject.classifier, subject.samples, layer=layer, on_step=lambda: None)


def growth(parts: Parts) -> list[Row]:
    """Rows for more classes, then for more pixels."""
    cases = [(count, USUAL_SIDE) for count in CLASSES]
    cases += [(USUAL_CLASSES, side) for side in SIDES if side != USUAL_SIDE]
    return [growth_row(count, side, parts) for count, side in cases]


def forms(root: Path, model_id: str, parts: Parts, share: int) -> list[Row]:
    """Rows of all searches that invert something, on one model."""
    subject = replace(of_zoo(root, model_id), name=model_id)
    searches = [
        one for one in parts.scanner.searches if isinstance(one, KindSearch | ManyTargetsSearch)
    ]
    return [form_row(subject, search, share, parts.scanner.layer) for search in searches]


def models(root: Path, model_ids: Sequence[str], parts: Parts) -> list[Row]:
    """Rows of models, and their mean."""
    rows = [model_row(root, model_id, parts) for model_id in model_ids]
    return [*rows, mean_row(rows)]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--zoo", type=Path, help="folder of a built zoo; the embedded one if none")
    parser.add_argument("--models", nargs="+", type=int, help="numbers of its models; all if none")
    parser.add_argument("--change", nargs="+", default=[], help="overrides, as for run.py")
    parser.add_argument("--plain-share", type=int, default=5, help="one in so many is run plainly")
    parser.add_argument("--fast", action="store_true", help="few steps: to see that it runs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> None:
    """Measures, prints and writes after each part."""
    chosen = arguments()
    register()
    parts = configured(chosen.change, fast=chosen.fast)
    root = chosen.zoo or embedded_root("signs_mini")
    ids: Sequence[str] = open_zoo(root).model_ids()
    ids = ids if chosen.models is None else [ids[number] for number in chosen.models]
    makers: dict[str, Callable[[], list[Row]]] = {
        "models": lambda: models(root, ids, parts),
        "forms": lambda: forms(root, ids[0], parts, chosen.plain_share),
        "growth": lambda: growth(parts),
    }
    stored = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    for part in chosen.part:
        rows = makers[part]()
        Console().print(table(part, rows))
        stored |= {**facts(CPU, SEED), part: {"changes": chosen.change, "rows": rows}}
        write(chosen.out, stored)


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


if __name__ == "__main__":
    main()
