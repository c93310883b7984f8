"""A session: the time in which workers are at a run without a break, and what they share in it."""

import contextlib
import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from exray.results.workers import Heartbeat, WorkerReport, remove_dead, worker_reports
from exray.storage.atomic_files import TEMPORARY_PREFIX, writing
from exray.storage.locks import locked

logger = logging.getLogger(__name__)

WORKERS = ".workers"  # folder in a run's, of no model
SESSION_FILE = "session.json"
ATTEMPTS = "attempts"


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """How often a model was begun in a session, and how that ended.

    Args:
        session: The session.
        begun: How often a worker began with it.
        failed: Whether it has its failed record, which this session leaves as it is.
        reason: Why it is not to be begun again; empty where it may be.
    """

    session: str
    begun: int = 0
    failed: bool = False
    reason: str = ""


class RunSession:
    """What the workers of a run share while they are at it: the models, and who tried which.

    A worker that begins while no other is at the run opens a session; later ones join it. Within a
    session a failed model is not tried again, and one whose worker died is, for so many times.
    A session ends with its last worker, however that ends; the next one tries failures again.

    Args:
        root: Folder of the run.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / WORKERS
        self.name = ""

    @contextlib.contextmanager
    def joined(self, expected: Sequence[str], *, scans: bool = True) -> Iterator[Heartbeat]:
        """Takes part as a worker while the block runs.

        Args:
            expected: Models that the run is to have records of, those of other workers too.
            scans: Whether the worker scans models, or looks after those that do.

        Raises:
            StorageError: If the run's folder cannot be written.
        """
        with writing(self.folder):
            (self.folder / ATTEMPTS).mkdir(parents=True, exist_ok=True)
        heartbeat = Heartbeat(self.folder, scans=scans)
        with contextlib.ExitStack() as worker:
            with locked(self.folder, "session"), writing(self.folder):
                self._open_or_join(expected)
                worker.enter_context(heartbeat.beating())
            yield heartbeat

    def expected(self) -> tuple[str, ...]:
        """The models of the session that is or was the last; none before the first."""
        return self._stored()[1]

    def workers(self) -> list[WorkerReport]:
        """Those of the session that is or was the last: at work, or dead in the midst of it."""
        return worker_reports(self.folder)

    def attempts(self, model_id: str) -> Attempts:
        """How often a model was begun in this session.

        Args:
            model_id: The model; its lock is held by the caller.
        """
        try:
            values = json.loads(self._place(model_id).read_text(encoding="utf-8"))
            stored = Attempts(**values)
        except FileNotFoundError:
            return Attempts(session=self.name)
        except (TypeError, ValueError) as error:  # cut short by a crash of the machine
            logger.debug("%s cannot be read (%s)", self._place(model_id), error)
            return Attempts(session=self.name)
        return stored if stored.session == self.name else Attempts(session=self.name)

    def begin(self, model_id: str) -> None:
        """Counts that a worker begins with a model.

        Args:
            model_id: The model; its lock is held by the caller.
        """
        earlier = self.attempts(model_id)
        self._write(model_id, replace(earlier, begun=earlier.begun + 1))

    def settle(self, model_id: str, *, failed: bool) -> None:
        """Notes that a model has its record.

        Args:
            model_id: The model; its lock is held by the caller.
            failed: Whether that says it failed.
        """
        if failed:
            self._write(model_id, replace(self.attempts(model_id), failed=True, reason=""))
        else:
            self._place(model_id).unlink(missing_ok=True)

    def leave(self, model_id: str) -> None:
        """Takes back that a worker began with a model, which it leaves of its own accord.

        Args:
            model_id: The model; its lock is held by the caller.
        """
        earlier = self.attempts(model_id)
        if earlier.begun > 1 or earlier.reason:
            self._write(model_id, replace(earlier, begun=earlier.begun - 1))
        else:
            self._place(model_id).unlink(missing_ok=True)

    def give_up(self, model_id: str, reason: str) -> None:
        """Lets nobody begin with a model again in this session: who gets to it notes the failure.

        Args:
            model_id: The model, whose worker is about to be killed.
            reason: Of the failure, in one line.
        """
        self._write(model_id, replace(self.attempts(model_id), reason=reason))

    def _open_or_join(self, expected: Sequence[str]) -> None:
        name, earlier = self._stored()
        if name and any(worker.is_alive for worker in self.workers()):
            self.name = name
            if missing := set(expected) - set(earlier):
                self._store([*earlier, *(model for model in expected if model in missing)])
            return
        self.name = uuid.uuid4().hex
        remove_dead(self.folder)
        for leftover in (self.folder / ATTEMPTS).iterdir():
            leftover.unlink(missing_ok=True)
        self._store(expected)

    def _stored(self) -> tuple[str, tuple[str, ...]]:
        try:
            values = json.loads((self.folder / SESSION_FILE).read_text(encoding="utf-8"))
            return str(values["session"]), tuple(values["expected"])
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return "", ()

    def _store(self, expected: Sequence[str]) -> None:
        _replace(self.folder / SESSION_FILE, {"session": self.name, "expected": list(expected)})

    def _place(self, model_id: str) -> Path:
        return self.folder / ATTEMPTS / f"{model_id}.json"

    def _write(self, model_id: str, attempts: Attempts) -> None:
        _replace(self._place(model_id), asdict(attempts))


def _replace(path: Path, values: Mapping[str, object]) -> None:
    """Writes a small file whole, without waiting for the disk."""
    draft = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    with writing(path):
        draft.write_text(json.dumps(values), encoding="utf-8")
        draft.replace(path)
