"""``exray status``: how far a run or sweep is, from any process. Imports no torch and no Hydra."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from exray.results.status import RunStatus, StatusReader, run_folders
from exray.text import shown, some

_CLEAR = "\033[H\033[2J"
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def show_status(name: str, results: Path, *, interval: float | None) -> None:
    """Prints how far a run is: once, or again and again until all its models have a record.

    Args:
        name: Of the run or the sweep.
        results: Folder of all runs.
        interval: Seconds between two looks; None for one look.

    Raises:
        ValueError: If there is no such run.
        RecordError: If a record is broken.
    """
    readers: dict[str, StatusReader] = {}
    while True:
        for cell, folder in run_folders(results, name).items():
            readers.setdefault(cell, StatusReader(folder, cell))
        statuses = [reader.read() for reader in readers.values()]
        if interval is not None and sys.stdout.isatty():
            sys.stdout.write(_CLEAR)
        sys.stdout.write("".join(f"{line}\n" for one in statuses for line in status_lines(one)))
        sys.stdout.flush()
        if interval is None or not any(one.remaining or one.workers for one in statuses):
            return
        time.sleep(interval)


def status_lines(status: RunStatus) -> Iterator[str]:
    """A run's status in lines: counts, workers, failures by reason, pace and time left.

    Args:
        status: The status.
    """
    waiting = max(status.remaining - status.running, 0)
    yield (
        f"{status.name}: {status.done} of {status.expected} done, {len(status.failed)} failed, "
        f"{status.running} running, {waiting} waiting"
    )
    for worker in status.workers:
        state = worker.state
        stage = f", {state.stage}" + (f" {state.done} of {state.total}" if state.total else "")
        at = f"{shown(state.model_id)} for {duration(state.model_seconds)}{stage}"
        yield f"  running  {state.worker}: {at if state.model_id else 'between two models'}"
    for worker in status.dead:
        model = worker.state.model_id
        at = f" at {shown(model)}, which is begun again" if model else ""
        yield f"  died     {worker.state.worker}{at}"
    for reason, models in _by_reason(status.failed).items():
        yield f"  failed   {some(models, limit=5)}: {reason}"
    yield f"  {_pace(status)}"


def duration(seconds: float) -> str:
    """A time in one or two units.

    Args:
        seconds: Not negative.

    Example:
        >>> duration(42.0), duration(90.0), duration(7260.0), duration(2e5)
        ('42 s', '1 min 30 s', '2 h 1 min', '2 d 7 h')
    """
    left = round(seconds)
    parts: list[str] = []
    for unit, size in (*_UNITS, ("s", 1)):
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size} {unit}")
        left %= size
    return " ".join(parts[:2])


def _by_reason(failed: Mapping[str, str]) -> dict[str, list[str]]:
    models = defaultdict(list)
    for model_id, reason in failed.items():
        models[reason].append(model_id)
    return dict(models)


def _pace(status: RunStatus) -> str:
    """How fast the workers are and what is left, or that nobody is at work."""
    if not status.workers:
        if status.remaining:
            return "nobody is at work; the same command goes on"
        again = "; the same command tries the failed again" if status.failed else ""
        return f"all models have a record{again}"
    count = len(status.workers)
    by = f"{count} worker" + "s" * (count != 1)
    rate, left = status.models_per_second, status.seconds_left
    if rate is None or left is None:
        return f"{by}, no model settled yet"
    return f"{by}, {3600 * rate:.1f} models an hour, about {duration(left)} left"
