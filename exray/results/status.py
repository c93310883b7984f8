"""How far a run is, read from its folder by any process, while it is scanned or after a crash."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exray.errors import RecordError
from exray.results.sessions import RunSession
from exray.results.store import RECORD_FILE, RUN_FILE, ResultStore
from exray.results.stored_tensors import SCAN_AGAIN
from exray.results.workers import WorkerReport


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """How far a run is.

    Args:
        name: Of the run.
        expected: Number of models it is to have records of.
        done: Number of finished models.
        failed: Reasons by failed model, one line each.
        workers: Those that scan now.
        dead: Those that died since the last worker began alone.
    """

    name: str
    expected: int
    done: int
    failed: Mapping[str, str]
    workers: tuple[WorkerReport, ...]
    dead: tuple[WorkerReport, ...]

    @property
    def remaining(self) -> int:
        """Models without a record, those that are being scanned among them."""
        return max(self.expected - self.done - len(self.failed), 0)

    @property
    def running(self) -> int:
        """Models that a living worker is at."""
        return sum(bool(worker.state.model_id) for worker in self.workers)

    @property
    def models_per_second(self) -> float | None:
        """What the workers have settled per second; None before the first."""
        states = [worker.state for worker in self.workers if worker.state.seconds > 0]
        rate = sum(state.scanned / state.seconds for state in states)
        return rate or None

    @property
    def seconds_left(self) -> float | None:
        """What is left at the workers' pace; None where that is unknown."""
        rate = self.models_per_second
        return None if rate is None else self.remaining / rate


class StatusReader:
    """Reads a run's status, and again; a finished record is read once.

    Args:
        root: Folder of the run.
        name: Of the run.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self._done: set[str] = set()

    def read(self) -> RunStatus:
        """The status now.

        Raises:
            RecordError: If a record is broken.
        """
        session = RunSession(self.root)
        workers = [worker for worker in session.workers() if worker.state.scans]
        failed = {}
        model_ids = ResultStore(self.root).model_ids()
        for model_id in model_ids:
            if model_id not in self._done:
                reason = _failure(self.root / model_id / RECORD_FILE)
                if reason is None:
                    self._done.add(model_id)
                else:
                    failed[model_id] = reason
        return RunStatus(
            name=self.name,
            expected=len({*session.expected(), *model_ids}),
            done=len(self._done),
            failed=failed,
            workers=tuple(worker for worker in workers if worker.is_alive),
            dead=tuple(worker for worker in workers if not worker.is_alive),
        )


def run_folders(root: Path, name: str) -> dict[str, Path]:
    """The folders of a run, or of a sweep's cells, by name.

    Args:
        root: Folder of all runs.
        name: Of the run or the sweep.

    Raises:
        ValueError: If there is none of that name; says which there are.
    """
    own = root / name
    if (own / RUN_FILE).is_file():
        return {name: own}
    cells = sorted(path.parent for path in own.glob(f"*/{RUN_FILE}"))
    if not cells:
        known = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
        names = [known_name for known_name in known if _is_run(root / known_name)]
        there = f"it has: {', '.join(names)}" if names else "it has none"
        raise ValueError(f"{root} holds no run {name!r}; {there}")
    return {f"{name}/{path.name}": path for path in cells}


def _is_run(folder: Path) -> bool:
    return (folder / RUN_FILE).is_file() or any(folder.glob(f"*/{RUN_FILE}"))


def _failure(path: Path) -> str | None:
    """Why a record's scan failed; None of a finished one."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return None if values["status"] == "done" else str(values["error_line"])
    except FileNotFoundError:  # being replaced
        return ""
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(path, f"is broken ({error!r})", SCAN_AGAIN) from error
