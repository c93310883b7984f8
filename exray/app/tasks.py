"""The tasks behind run.py: scan, build a zoo, report, rejudge, compare, show a dashboard."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from exray.app.compare import compare
from exray.app.config import ScanSettings, built, identity, run_id
from exray.app.dashboard import dashboard
from exray.app.finished import Finished, require_records, results_folder
from exray.app.fit import fit
from exray.app.progress import BuildProgress, ScanProgress
from exray.app.rejudge import rejudge
from exray.app.scan_all import ScanRun
from exray.app.scan_cache import ScanCache
from exray.app.scan_model import Labels, Pipeline
from exray.app.tabulate import tabulate
from exray.app.wanted import all_shards, of_kinds, wanted_ids
from exray.differencing.exray_judge import ExrayJudge
from exray.evaluation.collect import collect, write_tables
from exray.evaluation.files import flatten, replace_file, to_json
from exray.evaluation.records import ScanRecord
from exray.evaluation.store import ResultStore
from exray.reports.console import machine_line, render_summary, summary_json
from exray.reports.html import write_report
from exray.reports.loggers import RunLogger
from exray.scanners.scanner import FileScanner, Scanner
from exray.triggers.judge import Judge
from exray.zoo.build import build_zoo
from exray.zoo.source import Source
from exray.zoo.summary import summary_markdown
from exray.zoo.zoo_source import ZooSource

logger = logging.getLogger(__name__)

_FILE_WIDTH = 120  # columns where stderr is a file or a pipe


def scan(config: DictConfig, cell: str = "") -> Finished:
    """Scans every classifier of the dataset that has no finished record yet.

    Args:
        config: The composed configuration.
        cell: Folder of this cell within a sweep; empty for a single run.

    Raises:
        ValueError: If the configuration cannot be built, before anything is scanned.
        RecordError: If the results' folder holds another configuration's records.
    """
    console = _console()
    source = built(config.dataset, Source)
    pipeline = _pipeline(config)
    use_threads(config.trainer.threads)
    torch.manual_seed(config.seed)
    ids = of_kinds(source, config.kinds)
    wanted = wanted_ids(ids, shard=config.shard, limit=config.limit)
    decided = identity(config, _input_hash(source, pipeline))
    labels = _labels(config, source, run_id(decided))
    name = config.name or _own_name(source)
    store = ResultStore(results_folder(config, name, cell))
    store.claim(labels.run_id, flatten(decided))
    run_logger = built_logger(config, store, name, cell)
    run = ScanRun(
        source=source,
        pipeline=pipeline,
        labels=labels,
        store=store,
        logger=run_logger,
        progress=ScanProgress(console, len(wanted)),
    )
    try:
        run.scan(wanted)
    except BaseException:
        run_logger.finish(None)
        raise
    expected = all_shards(ids, shard=config.shard, limit=config.limit)
    run_logger.finish(collect(store, expected=wanted))
    return _finish(store, expected, wanted, name, console)


def _pipeline(config: DictConfig) -> Pipeline:
    """What finds and judges triggers."""
    return Pipeline(
        scanner=built(config.scanner.engine, Scanner),
        judge=built(config.judge.engine, Judge),
        settings=built(config.scan, ScanSettings),
        device=device_of(config.trainer.accelerator),
        cache=_scan_cache(config),
    )


def _labels(config: DictConfig, source: Source, run: str) -> Labels:
    """What the run's records say about it."""
    return Labels(
        run_id=run,
        dataset=source.name,
        scanner=config.scanner.name,
        judge=config.judge.name,
        layer=config.layer.name,
        seed=config.seed,
    )


def _input_hash(source: Source, pipeline: Pipeline) -> str:
    """Hash of every file that the run's results follow from."""
    parts = [source.fingerprint()]
    if isinstance(pipeline.scanner, FileScanner):
        parts.append(pipeline.scanner.fingerprint())
    if isinstance(pipeline.judge, ExrayJudge) and pipeline.judge.rule.fingerprint:
        parts.append(pipeline.judge.rule.fingerprint)
    return "+".join(parts)


def _scan_cache(config: DictConfig) -> ScanCache:
    """Where scanner results are shared by all runs of one results folder."""
    values = cast("dict[str, object]", OmegaConf.to_container(config.scanner, resolve=True))
    root = None if config.paths.scans is None else Path(config.paths.scans)
    return ScanCache(root, config=values, seed=config.seed)


def _finish(
    store: ResultStore,
    expected: Sequence[str],
    wanted: tuple[str, ...],
    name: str,
    console: Console,
) -> Finished:
    """Summary, tables, report and files of a finished run, whatever the logger.

    The files are of all shards' classifiers, the lines of those that this run was asked for.
    """
    report = store.root / "report.html"
    with store.tables_lock():
        collection = collect(store, expected=expected)
        write_tables(collection, store.root)
        of_all = [scan.record for scan in collection.scans if scan.record.model_id in expected]
        replace_file(store.root / "summary.json", to_json(summary_json(of_all), indent=1))
        write_report(store, report, f"exray: {name}", expected=expected)
    render_summary(collection, console)
    records = [record for record in of_all if record.model_id in wanted]
    console.print(f"Report: {report}   Records: {store.root}", highlight=False, soft_wrap=True)
    failed = any(record.status == "failed" for record in records)
    return Finished(lines=lines_of(records), status=int(failed or len(records) < len(wanted)))


def _console() -> Console:
    """Stderr; wide enough for the tables where it is no terminal."""
    console = Console(stderr=True)
    return console if console.is_terminal else Console(stderr=True, width=_FILE_WIDTH)


def lines_of(records: list[ScanRecord]) -> tuple[str, ...]:
    """One machine-readable line a classifier."""
    return tuple(machine_line(record) for record in records)


def _own_name(source: Source) -> str:
    """A run's name where none was given: the dataset's, or the scanned file's."""
    return source.model_ids()[0] if source.name == "folder" else source.name


def device_of(accelerator: str) -> torch.device:
    """The device of Lightning's name for it.

    Raises:
        ValueError: If there is none of that kind.
    """
    if accelerator not in ("auto", "cpu", "gpu"):
        raise ValueError(f"trainer.accelerator must be auto, cpu or gpu; got {accelerator!r}")
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ValueError("trainer.accelerator=gpu needs a CUDA device and there is none; use auto")
    wants_gpu = accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if wants_gpu else "cpu")


def use_threads(threads: object) -> None:
    """Lets torch compute on so many CPU threads; None leaves it as it is.

    Raises:
        ValueError: If it is no positive whole number.
    """
    if threads is None:
        return
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"trainer.threads must be null or a whole number >= 1; got {threads!r}")
    torch.set_num_threads(threads)


def built_logger(config: DictConfig, store: ResultStore, name: str, cell: str) -> RunLogger:
    """The run's logger, told where it is and what it logs."""
    filled: dict[object, object] = {
        key: value for key, value in config.logger.items() if key != "needs_run"
    }
    if config.logger.needs_run:
        part = "" if config.shard == "0/1" else f" shard {config.shard}"
        filled |= {
            "directory": store.root,
            "name": f"{cell or name}{part}",
            "group": name,
            "config": OmegaConf.to_container(config, resolve=True),
            "tags": [config.dataset.name, config.scanner.name, config.judge.name],
            "job_type": config.judge.name,
            "key": f"{store.root.absolute()}{part}",
        }
    return built(OmegaConf.create(filled, flags={"allow_objects": True}), RunLogger)


def build(config: DictConfig, cell: str = "") -> Finished:
    """Builds the dataset's zoo, or what is missing of it.

    Raises:
        ValueError: If the dataset is no zoo that exray can build.
    """
    del cell
    source = built(config.dataset, Source)
    if not isinstance(source, ZooSource):
        raise ValueError(f"dataset={source.name} is no zoo that can be built; try signs")
    if source.is_embedded:
        raise ValueError(
            "dataset.root=null is the place of zoos that are shipped with exray; say where to "
            f"build {source.name}: dataset.root=results/zoos/{source.name}"
        )
    device = device_of(config.trainer.accelerator)
    console = _console()
    progress = BuildProgress(console, source.recipe.num_models)
    try:
        with progress.shown():
            manifest = build_zoo(
                source.recipe,
                source.root,
                workers=config.trainer.workers,
                accelerator="gpu" if device.type == "cuda" else "cpu",
                on_model=progress.finish,
                images=source.images,
            )
    except RuntimeError as error:  # some classifier never met the bars
        logger.debug("the build failed", exc_info=True)
        console.print(str(error), highlight=False, markup=False, soft_wrap=True)
        return Finished(lines=(), status=1)
    (source.root / "summary.md").write_text(summary_markdown(manifest, source.recipe))
    console.print(f"Zoo: {source.root} (summary.md has its table)", highlight=False, soft_wrap=True)
    lines = [
        f"{model.model_id}\t{'trojaned' if model.is_trojaned else 'clean'}"
        f"\t{model.clean_accuracy:.4f}\t{'' if model.asr is None else f'{model.asr:.4f}'}"
        for model in manifest.models
    ]
    return Finished(lines=tuple(lines), status=0)


def report(config: DictConfig, cell: str = "") -> Finished:
    """Tables and the HTML report of stored records, without scanning.

    Raises:
        ValueError: If no name is given, or nothing is stored under it.
    """
    name = config.name or config.dataset.name
    store = ResultStore(results_folder(config, name, cell))
    require_records(store.root, name)
    stored = tuple(store.model_ids())
    return _finish(store, stored, stored, name, _console())


TASKS: dict[str, Callable[[DictConfig, str], Finished]] = {
    "scan": scan,
    "build_zoo": build,
    "report": report,
    "rejudge": rejudge,
    "compare": compare,
    "tabulate": tabulate,
    "dashboard": dashboard,
    "fit": fit,
}
