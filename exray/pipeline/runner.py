"""Scans the models of a run, beside other processes that may scan the same ones."""

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from exray.datasets.base import ModelDataset
from exray.errors import StorageError
from exray.pipeline.classifier_scan import RunLabels
from exray.pipeline.failures import failed_scan
from exray.pipeline.provenance import of_failure
from exray.pipeline.scan import Pipeline, scan_model
from exray.pipeline.scan_cache import WAITING, BusyError
from exray.results.model_scan import ModelScan
from exray.results.sessions import Attempts, RunSession
from exray.results.store import ResultStore
from exray.results.workers import Heartbeat


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


def _nothing(model_id: str) -> None:
    del model_id


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
        retries: How often a classifier is begun again whose process died at it.
        on_begin: Called with a classifier's id when its scan begins.
    """

    source: ModelDataset
    pipeline: Pipeline
    labels: RunLabels
    store: ResultStore
    on_scan: Callable[[ModelScan], None]
    progress: RunProgress
    retries: int = 2
    on_begin: Callable[[str], None] = _nothing

    def scan(self, model_ids: Sequence[str], expected: Sequence[str] | None = None) -> None:
        """Scans those that have no finished record, or waits until another process has.

        Of processes that scan into one folder each takes the next classifier that no other is
        scanning, so they share the work. What is left at the end is waited for, and scanned here if
        the other process was killed.

        Args:
            model_ids: The classifiers.
            expected: Those that the run is to have records of, with those that other processes
                scan; None for ``model_ids``.

        Raises:
            StorageError: If the records cannot be written.
        """
        session = self.store.session()
        joined = session.joined(model_ids if expected is None else expected)
        with joined as heartbeat, self.progress.shown():
            worker = _Worker(run=self, session=session, heartbeat=heartbeat)
            busy = [model_id for model_id in model_ids if not worker.settle(model_id, wait=False)]
            for model_id in busy:
                worker.settle(model_id, wait=True)


@dataclass(frozen=True, kw_only=True)
class _Worker:
    """This process's part in a run.

    Args:
        run: What is scanned, and with what.
        session: What the run's workers share.
        heartbeat: Tells the others what this one is at.
    """

    run: ScanRun
    session: RunSession
    heartbeat: Heartbeat

    def settle(self, model_id: str, *, wait: bool) -> bool:
        """Whether the classifier has its record now; False if another process is scanning it."""
        progress = self.run.progress
        progress.start(model_id)
        at_work = self.run.store.at_work(model_id, wait=wait, waiting=self._waiting)
        with at_work as is_ours:
            result = self._result(model_id, wait=wait) if is_ours else None
        if result is None:
            progress.put_off()
            return False
        progress.finish(result.text)
        return True

    def _waiting(self) -> None:
        """Says what is waited for."""
        self.run.progress.stage(WAITING, 0, 0)

    def _result(self, model_id: str, *, wait: bool) -> ModelResult | None:
        """The classifier's stored scan, or a new one; None if another process inverts it."""
        store, attempts = self.run.store, self.session.attempts(model_id)
        is_done = store.find(model_id, self.run.labels.run_id) is not None
        if is_done or (attempts.failed and store.holds(model_id)):
            stored = store.read(model_id)
            self.run.on_scan(stored)
            return ModelResult(scan=stored, is_new=False)
        self.heartbeat.start(model_id)
        try:
            scan = self._given_up(attempts, model_id) or self._scanned(model_id, wait=wait)
        finally:
            self.heartbeat.leave()
        if scan is None:
            return None
        is_failed = scan.record.status == "failed"
        store.write(scan)
        self.session.settle(model_id, failed=is_failed)
        self.heartbeat.settle(failed=is_failed)
        self.run.on_scan(scan)
        return ModelResult(scan=scan, is_new=True)

    def _given_up(self, attempts: Attempts, model_id: str) -> ModelScan | None:
        """The failed scan of a classifier that is not to be begun again; None of any other."""
        reason = attempts.reason
        if not reason and attempts.begun > self.run.retries:
            reason = (
                f"the process that scanned it died {attempts.begun} times, "
                "killed, out of memory or by a crash"
            )
        if not reason:
            return None
        run = self.run
        device, command = run.pipeline.device, run.pipeline.command
        return failed_scan(
            model_id,
            run.labels,
            reason=reason,
            seconds=0.0,
            provenance=of_failure(run.source, model_id, device=device, command=command),
        )

    def _scanned(self, model_id: str, *, wait: bool) -> ModelScan | None:
        """A new scan; None if another process inverts the same triggers.

        However it ends but by the death of this process, the attempt is not counted as one.
        """
        run = self.run
        self.session.begin(model_id)
        run.on_begin(model_id)
        try:
            return scan_model(
                run.source, model_id, replace(run.pipeline, wait=wait), run.labels, self._stage
            )
        except BusyError:
            self.session.leave(model_id)
            return None
        except BaseException:
            with contextlib.suppress(StorageError):
                self.session.leave(model_id)
            raise

    def _stage(self, name: str, done: int, total: int) -> None:
        self.heartbeat.stage(name, done, total)
        self.run.progress.stage(name, done, total)
