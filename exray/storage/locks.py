"""Locks between processes that work on one folder; a killed process holds none."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system: runs side by side are not kept apart there
    fcntl = None  # type: ignore[assignment]

LOCK_PREFIX = ".lock-"


@contextlib.contextmanager
def locked(folder: Path, name: str, *, wait: bool = True) -> Iterator[bool]:
    """Whether this process alone holds the lock of that name while the block runs.

    The system drops the lock with the process, however it ends, so nothing is stale after
    ``kill -9``. The file itself is removed by whoever held the lock last; one that a killed process
    left is taken over.

    Args:
        folder: Where the lock's file lies; made if absent. On a network file system it must pass
            ``flock`` on, as NFS since Linux 2.6.12 and Lustre with ``-o flock`` do.
        name: What is locked; the name of a file.
        wait: Whether to wait for another holder, or to say False at once.

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
    descriptor = _taken(path, wait)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)  # before the lock is dropped, so it is still ours to remove
        os.close(descriptor)


def _taken(path: Path, wait: bool) -> int | None:
    """The open file whose lock we hold; None where another process holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_there(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last holder removed it while we waited: take the new one


def _is_there(descriptor: int, path: Path) -> bool:
    """Whether the locked file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
