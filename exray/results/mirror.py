"""A run's records in an object store, from which machines without a common folder share a run."""

import io
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from exray.errors import RecordError
from exray.storage.atomic_files import sync_folder, temporary_folder, write_synced, writing
from exray.storage.remote_folder import RemoteFolder

RENEW_SECONDS = 20.0
DEAD_SECONDS = 90.0  # without a renewal
POLL_SECONDS = 5.0
CLAIMS = ".claims"
ENDING = ".zip"


class RunMirror:
    """The records of a run, each as one object, which is there whole or not at all.

    An object is created, not replaced: of two workers that finish one model the first has its
    record kept. A worker claims a model by creating an object that it renews; a claim that is not
    renewed for a while is of a dead worker, which each worker judges by its own clock.

    Args:
        folder: Where the objects are.
        files: The files of a record.
        renew_seconds: Between two renewals of a claim.
        dead_seconds: Without a renewal, after which a claim is dropped.
    """

    def __init__(
        self,
        folder: RemoteFolder,
        *,
        files: Sequence[str],
        renew_seconds: float = RENEW_SECONDS,
        dead_seconds: float = DEAD_SECONDS,
    ) -> None:
        self.folder = folder
        self.files = tuple(files)
        self.renew_seconds = renew_seconds
        self.dead_seconds = dead_seconds
        self._worker = uuid.uuid4().hex

    def claim_run(self, name: str, content: bytes) -> bytes:
        """What the object that names the run holds: this content, or that of the run's first.

        Args:
            name: The object's.
            content: What it is to hold.

        Raises:
            UnreachableError: If the store does not answer.
        """
        if self.folder.create(name, content):
            return content
        return self.folder.read(name) or content

    def synchronise(self, root: Path, model_ids: Sequence[str]) -> None:
        """Copies the records that one side lacks: others' to the folder, its own to the store.

        Args:
            root: The run's folder.
            model_ids: Those that have a record there.

        Raises:
            UnreachableError: If the store does not answer.
            StorageError: If the folder cannot be written.
        """
        names = self.folder.names()
        present = {name.removesuffix(ENDING) for name in names if name.endswith(ENDING)}
        for model_id in sorted(present - set(model_ids)):
            self.fetch(root, model_id)
        for model_id in sorted(set(model_ids) - present):
            self.publish(root / model_id)

    def fetch(self, root: Path, model_id: str) -> bool:
        """Puts a model's published record in the place of the folder's own; whether there is one.

        Args:
            root: The run's folder.
            model_id: The model.

        Raises:
            UnreachableError: If the store does not answer.
            StorageError: If the folder cannot be written.
            RecordError: If the object is no record.
        """
        content, place = self.folder.read(f"{model_id}{ENDING}"), root / model_id
        if content is None:
            return False
        with writing(place), temporary_folder(root) as new, temporary_folder(root) as old:
            try:
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    for name in self.files:
                        write_synced(new / name, archive.read(name))
            except (KeyError, zipfile.BadZipFile) as error:
                url = f"{self.folder.url}/{model_id}{ENDING}"
                raise RecordError(url, f"is broken ({error!r})", "remove that object") from error
            sync_folder(new)
            if place.exists():
                place.rename(old / place.name)
            new.rename(place)
            sync_folder(root)
        return True

    def publish(self, place: Path, *, replaces: bool = False) -> bool:
        """Writes a record as one object.

        Args:
            place: The record's folder.
            replaces: Whether one that is there is replaced, as a failed one is.

        Returns:
            Whether it is this record that is there now.

        Raises:
            UnreachableError: If the store does not answer.
        """
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name in self.files:
                archive.write(place / name, name)
        name = f"{place.name}{ENDING}"
        if replaces:
            self.folder.write(name, packed.getvalue())
            return True
        return self.folder.create(name, packed.getvalue())

    def publish_file(self, path: Path) -> None:
        """Writes a file of the run's folder, such as a table.

        Args:
            path: The file.

        Raises:
            UnreachableError: If the store does not answer.
        """
        self.folder.write(path.name, path.read_bytes())

    @contextmanager
    def claimed(
        self, model_id: str, *, wait: bool, waiting: Callable[[], None] | None = None
    ) -> Iterator[bool]:
        """Whether this worker alone is at a model while the block runs.

        Args:
            model_id: The model.
            wait: Whether to wait for another worker, or to yield False at once.
            waiting: Called now and then meanwhile.

        Raises:
            UnreachableError: If the store does not answer.
        """
        name = f"{CLAIMS}/{model_id}"
        if not self._claimed(name, wait=wait, waiting=waiting):
            yield False
            return
        ended = threading.Event()
        renewal = threading.Thread(target=self._renew, args=(name, ended), daemon=True)
        renewal.start()
        try:
            yield True
        finally:
            ended.set()
            renewal.join()
            self.folder.remove(name)

    def _claimed(self, name: str, *, wait: bool, waiting: Callable[[], None] | None) -> bool:
        """Whether the claim is ours, at once or after its holder has ended or died."""
        seen, since = None, time.monotonic()
        while not self.folder.create(name, f"{self._worker} 0".encode()):
            content = self.folder.read(name)
            if content != seen:
                seen, since = content, time.monotonic()
            elif time.monotonic() - since > self.dead_seconds:
                self.folder.remove(name)
                continue
            if not wait:
                return False
            if waiting is not None:
                waiting()
            time.sleep(min(POLL_SECONDS, self.renew_seconds))
        return True

    def _renew(self, name: str, ended: threading.Event) -> None:
        count = 0
        while not ended.wait(self.renew_seconds):
            count += 1
            self.folder.write(name, f"{self._worker} {count}".encode())
