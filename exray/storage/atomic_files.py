"""Files that are complete or absent, whenever a process is killed."""

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from exray.errors import StorageError
from exray.storage.plain_json import to_json

TEMPORARY_PREFIX = ".tmp-"
_REFUSALS = (
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
)
STALE_SECONDS = 600.0  # a write takes seconds, so older temporaries belong to a killed run


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turns what a full or read-only disk refuses into one error that names the place.

    Args:
        place: What is written while the block runs; its drafts have other names.

    Raises:
        StorageError: If the disk refuses.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise StorageError(place, os.strerror(error.errno)) from error


@contextlib.contextmanager
def temporary_folder(root: Path) -> Iterator[Path]:
    """An empty folder in ``root``, removed at the end unless it was renamed by then."""
    folder = root / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_leftovers(root: Path) -> None:
    """Remove the temporary files and folders of killed runs.

    Recent ones stay: another worker may be writing them right now. Their age is taken by the file
    system's clock, since those of several machines disagree.

    Args:
        root: Folder whose direct children are checked.
    """
    leftovers = list(root.glob(f"{TEMPORARY_PREFIX}*"))
    if not leftovers:
        return
    with temporary_folder(root) as fresh:
        now = fresh.lstat().st_mtime
    for leftover in leftovers:
        with contextlib.suppress(FileNotFoundError):  # another worker was faster
            if now - leftover.lstat().st_mtime < STALE_SECONDS:
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until a folder's entries are on the disk, where the system can say so."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    with temporary_folder(path.parent) as folder:
        write_synced(folder / path.name, content)
        (folder / path.name).replace(path)


def write_json(path: Path, values: object) -> None:
    """Write values as JSON so that a reader sees the old file or the new, never a part.

    Args:
        path: The file; its folder is created if absent.
        values: What :func:`exray.storage.plain_json.plain` takes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, to_json(values, indent=1))


def create_file(path: Path, content: bytes) -> bool:
    """Write a file unless it exists; of several writers the first one wins.

    Args:
        path: The file.
        content: Its bytes.

    Returns:
        Whether this call wrote it.
    """
    if path.exists():
        return False
    with temporary_folder(path.parent) as folder:
        write_synced(folder / path.name, content)
        try:
            os.link(folder / path.name, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            (folder / path.name).replace(path)
    sync_folder(path.parent)
    return True
