"""What a worker of a scan makes of the configuration, in its own process."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from exray.app.hardware import use_threads
from exray.app.instantiate import built
from exray.app.quiet_libraries import quiet_libraries
from exray.app.run_folders import run_store
from exray.datasets.base import ModelDataset
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.runner import RunProgress, ScanRun
from exray.pipeline.scan import Pipeline
from exray.pipeline.worker_pool import PoolSettings, use_one_gpu
from exray.results.model_scan import ModelScan

# Of the configuration, what a worker makes; the rest, repair above all, takes seconds to import.
PARTS = ("dataset", "scanner", "judge", "scan")


def pool_settings(config: DictConfig) -> PoolSettings:
    """How many workers scan, and how long a model may take.

    Args:
        config: The composed configuration.

    Raises:
        ValueError: If a number is out of its range; names its key.
    """
    trainer = config.trainer
    for key, least in (("scan_workers", 1), ("retries", 0)):
        if not isinstance(trainer[key], int) or trainer[key] < least:
            raise ValueError(
                f"trainer.{key} must be a whole number >= {least}; got {trainer[key]!r}"
            )
    limit = trainer.time_limit
    if limit is not None and (not isinstance(limit, int | float) or not limit > 0):
        raise ValueError(f"trainer.time_limit must be null or seconds above 0; got {limit!r}")
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    parts = [plain.get(part) for part in PARTS]
    modules = sorted({target.rpartition(".")[0] for target in _targets(parts)})
    return PoolSettings(
        workers=trainer.scan_workers, time_limit=limit, preload=(__name__, *modules)
    )


@dataclass(frozen=True, kw_only=True)
class WorkerRun:
    """Makes a worker's run in its own process.

    Args:
        config: The composed configuration.
        pipeline: Makes scanner and judge of it.
        labels: What the records say about the run.
        name: The run's name.
        cell: Folder of its cell within a sweep; empty for a single run.
        workers: How many share this machine's cores.
    """

    config: DictConfig
    pipeline: Callable[[DictConfig], Pipeline]
    labels: RunLabels
    name: str
    cell: str
    workers: int

    def __call__(self, index: int, progress: RunProgress) -> ScanRun:
        """The run, on the worker's own share of the cores and one GPU."""
        quiet_libraries()
        trainer = self.config.trainer
        if trainer.accelerator != "cpu" and (gpu := use_one_gpu(index)) is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        use_threads(trainer.threads or max((os.cpu_count() or 1) // self.workers, 1))
        return ScanRun(
            source=built(self.config.dataset, ModelDataset),
            pipeline=self.pipeline(self.config),
            labels=self.labels,
            store=run_store(self.config, self.name, self.cell),
            on_scan=_ignored,
            progress=progress,
            retries=trainer.retries,
        )


def _ignored(scan: ModelScan) -> None:
    del scan  # the command's process logs it


def _targets(node: object) -> Iterator[str]:
    """The class paths of all components in a configuration."""
    if isinstance(node, Mapping):
        for name, inner in node.items():
            if name == "_target_":
                yield str(inner)
            else:
                yield from _targets(inner)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for inner in node:
            yield from _targets(inner)
