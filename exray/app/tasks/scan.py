"""The task that scans classifiers."""

import logging
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf

from exray.app.config import identity, run_id
from exray.app.hardware import device_of, use_threads
from exray.app.instantiate import built
from exray.app.progress import ScanProgress
from exray.app.publishing import publish, stderr_console, write_results
from exray.app.remote_inputs import with_local_inputs
from exray.app.run_folders import run_store
from exray.app.run_logging import built_logger
from exray.app.scan_worker import WorkerRun, pool_settings
from exray.app.task_result import TaskResult
from exray.datasets.base import ModelDataset
from exray.evaluation.predictions import with_judge
from exray.judges.base import Judge
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.model_selection import of_kinds
from exray.pipeline.runner import ScanRun
from exray.pipeline.scan import Pipeline
from exray.pipeline.scan_cache import ScanCache
from exray.pipeline.settings import ScanSettings
from exray.pipeline.sharding import all_shards, shard_ids
from exray.pipeline.worker_pool import PoolSettings, WorkerPool
from exray.presets.instantiate import keyed_errors
from exray.scanners.base import FileScanner, Scanner
from exray.storage.plain_json import flatten

logger = logging.getLogger(__name__)


def scan(config: DictConfig, cell: str = "") -> TaskResult:
    """Scans every classifier of the dataset that has no finished record yet.

    Args:
        config: The composed configuration.
        cell: Folder of this cell within a sweep; empty for a single run.

    Raises:
        ValueError: If the configuration cannot be built, before anything is scanned.
        RecordError: If the results' folder holds another configuration's records.
    """
    config = with_local_inputs(config)
    console = stderr_console()
    source = built(config.dataset, ModelDataset)
    with keyed_errors("dataset", ("architecture", "factory", "root", "where")):
        source.check()
    pipeline = scan_pipeline(config)
    pool = pool_settings(config)
    use_threads(config.trainer.threads)
    ids = of_kinds(source, config.kinds)
    model_ids = shard_ids(ids, shard=config.shard, limit=config.limit)
    run_identity = identity(config, input_hash(source, pipeline))
    labels = run_labels(config, source, run_id(run_identity))
    name = config.name or own_name(source)
    store = run_store(config, name, cell)
    store.claim(labels.run_id, flatten(run_identity))
    run_logger = built_logger(config, store.root, name, cell)
    run = ScanRun(
        source=source,
        pipeline=pipeline,
        labels=labels,
        store=store,
        on_scan=run_logger.log_model,
        progress=ScanProgress(console, len(model_ids)),
        retries=config.trainer.retries,
    )
    expected = all_shards(ids, shard=config.shard, limit=config.limit)
    try:
        _scan_all(config, run, pool, model_ids, expected, name=name, cell=cell)
        collection = write_results(store, expected, name)
    except BaseException:
        run_logger.finish(None)
        raise
    run_logger.finish(collection.expecting(model_ids))
    result = publish(collection, model_ids, store.root, console)
    accuracy = with_judge(collection.frame).counts.balanced_accuracy
    result = replace(result, objective=accuracy)
    return replace(result, lines=()) if config.worker else result  # the first one has printed them


def _scan_all(
    config: DictConfig,
    run: ScanRun,
    pool: PoolSettings,
    model_ids: Sequence[str],
    expected: Sequence[str],
    *,
    name: str,
    cell: str,
) -> None:
    """Scans in this process, or in workers where several are wanted or one may be killed."""
    if pool.workers == 1 and pool.time_limit is None:
        run.scan(model_ids, expected)
        return
    build = WorkerRun(
        config=config,
        pipeline=scan_pipeline,
        labels=run.labels,
        name=name,
        cell=cell,
        workers=pool.workers,
    )
    workers = WorkerPool(
        build=build, store=run.store, settings=pool, on_scan=run.on_scan, progress=run.progress
    )
    workers.scan(model_ids, expected)


def scan_pipeline(config: DictConfig) -> Pipeline:
    """The scanner and the judge, with the settings around them.

    Args:
        config: The composed configuration.

    Raises:
        ValueError: If one of them cannot be built.
    """
    return Pipeline(
        scanner=built(config.scanner.engine, Scanner),
        judge=built(config.judge.engine, Judge).for_scanner(config.scanner.name),
        settings=built(config.scan, ScanSettings),
        device=device_of(config.trainer.accelerator),
        cache=_scan_cache(config),
        command=shlex.join(sys.argv),
    )


def run_labels(config: DictConfig, source: ModelDataset, run: str) -> RunLabels:
    """What the run's records say about it.

    Args:
        config: The composed configuration.
        source: What is scanned.
        run: Hash of what decides the run's results.
    """
    return RunLabels(
        run_id=run,
        dataset=source.name,
        scanner=config.scanner.name,
        judge=config.judge.name,
        layer=config.layer.name,
        seed=config.seed,
    )


def input_hash(source: ModelDataset, pipeline: Pipeline) -> str:
    """Hash of every file that the run's results depend on.

    Args:
        source: What is scanned.
        pipeline: With what.
    """
    parts = [source.fingerprint()]
    if isinstance(pipeline.scanner, FileScanner):
        parts.append(pipeline.scanner.fingerprint())
    if pipeline.judge.fingerprint():
        parts.append(pipeline.judge.fingerprint())
    return "+".join(parts)


def _scan_cache(config: DictConfig) -> ScanCache:
    """Where scanner results are shared by all runs of one results folder."""
    values = cast("dict[str, object]", OmegaConf.to_container(config.scanner, resolve=True))
    root = None if config.paths.scans is None else Path(config.paths.scans)
    return ScanCache(root, config=values, seed=config.seed)


def own_name(source: ModelDataset) -> str:
    """A run's default name: the dataset's, or the scanned file's.

    Args:
        source: What is scanned.
    """
    return source.model_ids()[0] if source.name == "folder" else source.name
