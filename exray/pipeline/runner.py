"""Scans the classifiers of a run, beside other processes that may be at the same ones."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from exray.datasets.base import ModelDataset
from exray.pipeline.scan import Labels, Outcome, Pipeline, scan_model
from exray.pipeline.scan_cache import BusyError
from exray.reports.loggers.base import RunLogger
from exray.results.store import ResultStore


@runtime_checkable
class RunProgress(Protocol):
    """Shows how far a run is."""

    def shown(self) -> AbstractContextManager[None]:
        """Shows it while the block runs."""

    def start(self, model_id: str) -> None:
        """Names the classifier that is scanned now."""

    def stage(self, name: str, done: int, total: int) -> None:
        """Shows how far a stage is."""

    def put_off(self) -> None:
        """Leaves the classifier for later."""

    def finish(self, text: str) -> None:
        """Prints one classifier's line."""


@dataclass(frozen=True, kw_only=True)
class ScanRun:
    """What a run scans, with what, and where that is told.

    Args:
        source: Loads the classifiers.
        pipeline: Scanner, judge and settings.
        labels: What the records say about the run.
        store: Where the records go.
        logger: Told of each classifier.
        progress: Shows how far the run is.
    """

    source: ModelDataset
    pipeline: Pipeline
    labels: Labels
    store: ResultStore
    logger: RunLogger
    progress: RunProgress

    def scan(self, wanted: Sequence[str]) -> None:
        """Scans those that have no finished record, or waits until another process has.

        Of processes that scan into one folder each takes what no other is at, so they share the
        work. What is left at the end is waited for, and done here if the other process was killed.

        Args:
            wanted: The classifiers.
        """
        with self.progress.shown():
            busy = [model_id for model_id in wanted if not self._settled(model_id, wait=False)]
            for model_id in busy:
                self._settled(model_id, wait=True)

    def _settled(self, model_id: str, *, wait: bool) -> bool:
        """Whether the classifier has its record now; False where another process is at it."""
        self.progress.start(model_id)
        if wait:
            self.progress.stage("waits for another run", 0, 0)
        with self.store.at_work(model_id, wait=wait) as is_ours:
            line = self._line(model_id, wait=wait) if is_ours else None
        if line is None:
            self.progress.put_off()
            return False
        self.progress.finish(line)
        return True

    def _line(self, model_id: str, *, wait: bool) -> str | None:
        """Scans one classifier and stores its record; None where another process inverts it."""
        done = self.store.find(model_id, self.labels.run_id)
        if done is not None:
            stored = self.store.read(model_id)
            tensors = self.store.tensors(model_id)
            self.logger.log_model(stored.record, stored.triggers, tensors)
            return f"{model_id}: already scanned, {done.verdict}"
        pipeline = replace(self.pipeline, wait=wait)
        try:
            outcome = scan_model(self.source, model_id, pipeline, self.labels, self.progress.stage)
        except BusyError:
            return None
        fresh = outcome.tensors or {}
        self.store.write(outcome.record, outcome.triggers, fresh)
        self.logger.log_model(outcome.record, outcome.triggers, fresh)
        return _line_of(outcome)


def _line_of(outcome: Outcome) -> str:
    record = outcome.record
    if record.status == "failed":
        return f"{record.model_id}: failed: {record.error_line}"
    return (
        f"{record.model_id}: {record.verdict}, {record.num_injected} of {record.num_triggers} "
        f"triggers injected, {record.seconds['total']:.1f} s"
    )
