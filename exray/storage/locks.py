"""Locks between processes that work on one folder; a killed process holds none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

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

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with locked(folder, "model") as first, locked(folder, "model", wait=False) as second:
        ...     first, second
        (True, False)
        >>> list(folder.iterdir())
        []
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{LOCK_PREFIX}{name}"
    lock = FileLock(path)
    if not _acquired(lock, wait, waiting):
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
