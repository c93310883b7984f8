"""Local copies of files in object stores, named by URL."""

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from exray.extras import import_extra
from exray.storage.atomic_files import clear_leftovers, temporary_folder, writing
from exray.storage.locks import locked

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

PAUSES = (1.0, 4.0)  # seconds before the second and the third try
_URL = re.compile(r"[a-z][a-z0-9+.-]+://")
_VERSION_KEYS = ("ETag", "etag", "md5Hash", "checksum", "oid", "LastModified", "mtime", "size")


class UnreachableError(ValueError):
    """An object store does not answer, or refuses.

    Args:
        url: What was asked for.
        reason: The last answer.
        action: What was done with it, as a participle.

    Example:
        >>> str(UnreachableError("s3://zoo/m.pt", "no route to host"))
        's3://zoo/m.pt cannot be read after 3 tries: no route to host; the same command goes on'
    """

    def __init__(self, url: str, reason: str, action: str = "read") -> None:
        tries = len(PAUSES) + 1
        super().__init__(
            f"{url} cannot be {action} after {tries} tries: {reason}; the same command goes on"
        )


def is_url(name: str) -> bool:
    """Whether a name is that of a file elsewhere.

    Args:
        name: What was typed.

    Example:
        >>> is_url("s3://zoo/m.pt"), is_url("C:/m.pt"), is_url("models/m.pt")
        (True, False, False)
    """
    return _URL.match(name) is not None


def local_copy(url: str, cache: Path | None = None) -> Path:
    """A file or folder of an object store, on this machine.

    What was fetched is kept by URL and version, so that the next command fetches a changed object
    only. Of several processes one fetches; a copy is complete or absent. A store that does not
    answer is asked three times.

    Args:
        url: Of any kind that fsspec knows: ``s3://``, ``gs://``, ``hf://``, ``file://``, ...
        cache: Where copies are kept; None for ``EXRAY_CACHE``, or ``~/.cache/exray``.

    Raises:
        UnreachableError: If the store does not answer.
        ValueError: If there is no such object, or what reads such stores is not installed.
        StorageError: If the copy cannot be written.
    """
    root = (cache or _cache()) / "files"
    files, path = file_system(url)
    facts = _found(url, lambda: files.info(path))
    listed = _found(url, lambda: files.find(path, detail=True)) if _is_folder(facts) else {}
    if _is_folder(facts) and not listed:
        raise ValueError(f"{url} holds no files")
    version = hashlib.sha256(url.encode())
    for name, own in sorted(listed.items()) or [(path, facts)]:
        version.update(f"{name} {[str(own.get(key)) for key in _VERSION_KEYS]}".encode())
    place = root / version.hexdigest()[:32]
    copy = place / path.rstrip("/").rpartition("/")[2]
    if place.is_dir():
        return copy
    with locked(root, place.name):
        if not place.is_dir():
            logger.info("fetching %s", url)
            _fetch(files, path, place, copy.name, url, is_folder=bool(listed))
    return copy


def _fetch(
    files: "AbstractFileSystem", path: str, place: Path, name: str, url: str, *, is_folder: bool
) -> None:
    """Fetches under a temporary name and renames."""
    clear_leftovers(place.parent)
    with writing(place), temporary_folder(place.parent) as new:

        def get() -> None:
            shutil.rmtree(new / name, ignore_errors=True)
            files.get(path, str(new / name), recursive=is_folder)

        _found(url, get)
        if not (new / name).exists():
            raise UnreachableError(url, "nothing came")
        new.rename(place)


def file_system(url: str) -> tuple["AbstractFileSystem", str]:
    """What reads a store, and the path in it.

    Args:
        url: Of any kind that fsspec knows.

    Raises:
        ValueError: If what reads such stores is not installed.
    """
    core = import_extra("fsspec.core", extra="remote", purpose=url)
    try:
        files, path = core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ValueError(f"{url} cannot be read: {error}") from error
    return files, str(path)


def tried(url: str, action: Callable[[], Answer], *, name: str = "read") -> Answer:
    """What an action on an object store returns, at the latest in its third try.

    Args:
        url: What it is done with.
        action: The action; a FileNotFoundError or FileExistsError of it is an answer.
        name: The action as a participle.

    Raises:
        UnreachableError: If the store does not answer, or refuses.
    """
    for pause in (*PAUSES, None):
        try:
            return action()
        except (FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # stores' libraries have errors of their own
            reason = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, PermissionError) or pause is None:
                raise UnreachableError(url, reason, name) from error
            logger.warning("%s: %s; tried again in %g s", url, reason, pause)
            time.sleep(pause)
    raise AssertionError(url)


def _found(url: str, action: Callable[[], Answer]) -> Answer:
    try:
        return tried(url, action)
    except FileNotFoundError as error:
        raise ValueError(f"{url} does not exist") from error


def _is_folder(facts: dict[str, object]) -> bool:
    return facts.get("type") == "directory"


def _cache() -> Path:
    return Path(os.environ.get("EXRAY_CACHE") or Path.home() / ".cache" / "exray")
