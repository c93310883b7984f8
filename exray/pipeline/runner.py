"""Scans the models of a run, beside other processes that may scan the same ones."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from exray.datasets.base import ModelDataset
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.scan import Pipeline, scan_model
from exray.pipeline.scan_cache import WAITING, BusyError
from exray.results.model_scan import ModelScan
from exray.results.store import ResultStore


@runtime_checkable
class RunProgress(Protocol):
    """Shows the progress of a run."""

    def shown(self) -> AbstractContextManager[None]:
        """Shows the progress while the block runs."""

    def start(self, model_id: str) -> None:
        """Names the model that is scanned now."""

    def stage(self, name: str, done: int, total: int) -> None:
        """Shows the progress of a stage."""

    def put_off(self) -> None:
        """Postpones the model that is scanned now."""

    def finish(self, text: str) -> None:
        """Prints one model's line."""


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """One classifier's scan, and whether this run made it.

    Args:
        scan: The scan.
        is_new: Whether it was scanned now, rather than read from the store.
    """

    scan: ModelScan
    is_new: bool

    @property
    def text(self) -> str:
        """The result in one line."""
        record = self.scan.record
        if not self.is_new:
            return f"{record.model_id}: already scanned, {record.verdict}"
        if record.status == "failed":
            return f"{record.model_id}: failed: {record.error_line}"
        return (
            f"{record.model_id}: {record.verdict}, {record.num_injected} of {record.num_triggers} "
            f"triggers injected, {record.seconds['total']:.1f} s"
        )


@dataclass(frozen=True, kw_only=True)
class ScanRun:
    """What a run scans, with what, and where the records go.

    Args:
        source: Loads the classifiers.
        pipeline: Scanner, judge and settings.
        labels: What the records say about the run.
        store: Where the records go.
        on_scan: Called with every classifier's scan, stored earlier or now.
        progress: Shows the progress of the run.
    """

    source: ModelDataset
    pipeline: Pipeline
    labels: RunLabels
    store: ResultStore
    on_scan: Callable[[ModelScan], None]
    progress: RunProgress

    def scan(self, model_ids: Sequence[str]) -> None:
        """Scans those that have no finished record, or waits until another process has.

        Of processes that scan into one folder each takes classifiers that no other is scanning, so
        they share the work. What is left at the end is waited for, and scanned here if the other
        process was killed.

        Args:
            model_ids: The classifiers.
        """
        with self.progress.shown():
            busy = [model_id for model_id in model_ids if not self._settle(model_id, wait=False)]
            for model_id in busy:
                self._settle(model_id, wait=True)

    def _settle(self, model_id: str, *, wait: bool) -> bool:
        """Whether the classifier has its record now; False if another process is scanning it."""
        self.progress.start(model_id)
        with self.store.at_work(model_id, wait=wait, waiting=self._waiting) as is_ours:
            result = self._result(model_id, wait=wait) if is_ours else None
        if result is None:
            self.progress.put_off()
            return False
        self.progress.finish(result.text)
        return True

    def _waiting(self) -> None:
        """Says what is waited for."""
        self.progress.stage(WAITING, 0, 0)

    def _result(self, model_id: str, *, wait: bool) -> ModelResult | None:
        """The classifier's stored scan, or a new one; None if another process inverts it."""
        if self.store.find(model_id, self.labels.run_id) is not None:
            stored = self.store.read(model_id)
            self.on_scan(stored)
            return ModelResult(scan=stored, is_new=False)
        pipeline = replace(self.pipeline, wait=wait)
        try:
            scan = scan_model(self.source, model_id, pipeline, self.labels, self.progress.stage)
        except BusyError:
            return None
        self.store.write(scan)
        self.on_scan(scan)
        return ModelResult(scan=scan, is_new=True)
