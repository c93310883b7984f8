"""The workers of a run: what each is at, renewed while it lives, and which have died."""

import contextlib
import json
import logging
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from exray.storage.atomic_files import TEMPORARY_PREFIX
from exray.storage.locks import is_locked, locked
from exray.version import own_version

logger = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
SUFFIX = ".worker.json"


@dataclass(frozen=True, kw_only=True)
class WorkerState:
    """What a worker is at.

    All durations are the worker's own, by a clock that never runs backwards, so that machines whose
    clocks disagree can be read side by side.

    Args:
        worker: Host and process.
        version: Its version of exray.
        scans: Whether it scans models, or looks after those that do.
        seconds: Since it began.
        scanned: Models that it has settled, failed ones too.
        failed: How many of them failed.
        model_id: The model that it is at; empty between two.
        model_seconds: How long it has been at it.
        stage: The stage of that model's scan.
        done: Steps of the stage done.
        total: Steps of the stage in all; 0 where unknown.
        beats: How often this was renewed.
    """

    worker: str
    version: str
    scans: bool = True
    seconds: float = 0.0
    scanned: int = 0
    failed: int = 0
    model_id: str = ""
    model_seconds: float = 0.0
    stage: str = ""
    done: int = 0
    total: int = 0
    beats: int = 0


@dataclass(frozen=True, kw_only=True)
class WorkerReport:
    """A worker's last words.

    Args:
        state: What it was at.
        is_alive: Whether its process lives.
    """

    state: WorkerState
    is_alive: bool


class Heartbeat:
    """Tells others what this worker is at, every two seconds, for as long as its block runs.

    The worker holds a lock meanwhile, which the system drops with the process: a worker is alive
    while its lock is held, whatever any clock says.

    Args:
        folder: Where the workers of a run put their files.
        scans: Whether this worker scans models, or looks after those that do.
        clock: Seconds that never run backwards.
    """

    def __init__(
        self, folder: Path, *, scans: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self.name = f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._clock = clock
        self._start = self._model_start = clock()
        self._state = WorkerState(
            worker=f"{platform.node()}:{os.getpid()}", version=own_version(), scans=scans
        )
        self._beats = 0
        self._ended = threading.Event()

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Holds the worker's lock and renews its file while the block runs; removes both then."""
        with locked(self.folder, self.name):
            self._write()
            thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
            thread.start()
            try:
                yield
            finally:
                self._ended.set()
                thread.join()
                self._path.unlink(missing_ok=True)

    def start(self, model_id: str) -> None:
        """Begins with a model."""
        self._model_start = self._clock()
        self._state = replace(self._state, model_id=model_id, stage="load", done=0, total=0)

    def stage(self, name: str, done: int, total: int) -> None:
        """Is so far with a stage of the model's scan."""
        self._state = replace(self._state, stage=name, done=done, total=total)

    def leave(self) -> None:
        """Leaves the model without having settled it."""
        self._state = replace(self._state, model_id="", stage="", done=0, total=0)

    def settle(self, *, failed: bool) -> None:
        """Has scanned the model."""
        self.leave()
        state = self._state
        self._state = replace(state, scanned=state.scanned + 1, failed=state.failed + int(failed))

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.name}{SUFFIX}"

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with contextlib.suppress(
                OSError
            ):  # a full disk ends the scan itself, with its own words
                self._write()

    def _write(self) -> None:
        now, state = self._clock(), self._state
        current = replace(
            state,
            seconds=now - self._start,
            model_seconds=now - self._model_start if state.model_id else 0.0,
            beats=self._beats,
        )
        self._beats += 1
        draft = self.folder / f"{TEMPORARY_PREFIX}{self.name}"
        draft.write_text(json.dumps(asdict(current)), encoding="utf-8")
        draft.replace(self._path)


def worker_reports(folder: Path) -> list[WorkerReport]:
    """The workers of a run that are at work or died at it, by name.

    Args:
        folder: Where they put their files; there may be none.
    """
    reports = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        name = path.name.removesuffix(SUFFIX)
        is_alive = is_locked(folder, name)  # before its file is read: it may end in between
        state = _read(path)
        if state is not None:
            reports.append(WorkerReport(state=state, is_alive=is_alive))
    return reports


def remove_dead(folder: Path) -> None:
    """Removes the files of workers that died.

    Args:
        folder: Where the workers of a run put their files.
    """
    for path in folder.glob(f"*{SUFFIX}"):
        name = path.name.removesuffix(SUFFIX)
        with locked(folder, name, wait=False) as is_dead:
            if is_dead:
                path.unlink(missing_ok=True)
                (folder / f"{TEMPORARY_PREFIX}{name}").unlink(missing_ok=True)


def _read(path: Path) -> WorkerState | None:
    """A worker's state; None where it has just ended, or another version wrote it."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = {spec.name for spec in fields(WorkerState)}
        return WorkerState(**{name: value for name, value in values.items() if name in known})
    except (FileNotFoundError, ValueError, TypeError) as error:
        logger.debug("%s cannot be read (%s)", path, error)
        return None
