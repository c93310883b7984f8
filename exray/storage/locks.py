"""Locks between processes that work on one folder; a killed process holds none."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from exray.storage.atomic_files import writing

if sys.platform != "win32":
    import fcntl

LOCK_PREFIX = ".lock-"
_SECONDS_PER_TRY = 1.0


@contextmanager
def locked(
    folder: Path, name: str, *, wait: bool = True, waiting: Callable[[], None] | None = None
) -> Iterator[bool]:
    """Whether this process alone holds the lock of that name while the block runs.

    The system drops the lock with the process, however it ends, so nothing is stale after
    ``kill -9``. Whoever held the lock last removes its file; one that a killed process left is
    taken over.

    Args:
        folder: Where the lock's file lies; created if absent. A network file system must support
            ``flock``, as NFS since Linux 2.6.12 and Lustre with ``-o flock`` do.
        name: What is locked; the name of a file.
        wait: Whether to wait for another holder, or to yield False at once.
        waiting: Called about every second while another holder is waited for.

    Raises:
        StorageError: If no file can be written in the folder.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with locked(folder, "model") as first, locked(folder, "model", wait=False) as second:
        ...     first, second
        (True, False)
        >>> list(folder.iterdir())
        []
    """
    path = folder / f"{LOCK_PREFIX}{name}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        is_ours = _acquired(lock, wait, waiting)
    if not is_ours:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)  # while it is ours; a waiter notices and locks a new file
        lock.release()


def _acquired(lock: FileLock, wait: bool, waiting: Callable[[], None] | None) -> bool:
    while True:
        try:
            lock.acquire(timeout=_SECONDS_PER_TRY if wait else 0)
        except Timeout:
            if not wait:
                return False
            if waiting is not None:
                waiting()
        else:
            return True


def is_locked(folder: Path, name: str) -> bool:
    """Whether a process holds the lock of that name, asked without writing anything.

    Args:
        folder: Where the lock's file lies; may be read-only, or not exist.
        name: What is locked.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with locked(folder, "model"):
        ...     is_locked(folder, "model")
        True
        >>> is_locked(folder, "model")
        False
    """
    path = folder / f"{LOCK_PREFIX}{name}"
    if not path.exists():
        return False
    if sys.platform == "win32":  # by taking it for a moment
        with locked(folder, name, wait=False) as is_free:
            return not is_free
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:  # just released
        return False
    except OSError:
        return True
    return False
