"""The records of a run on disk: atomic, resumable, one lock per model."""

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
from safetensors.numpy import save as save_tensors

from exray.errors import RecordError
from exray.results.mirror import RunMirror
from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord, TriggerRecord
from exray.results.sessions import RunSession
from exray.results.stored_tensors import SCAN_AGAIN, StoredTensors
from exray.storage.atomic_files import (
    clear_leftovers,
    create_file,
    sync_folder,
    temporary_folder,
    write_synced,
    writing,
)
from exray.storage.locks import locked
from exray.storage.plain_json import flatten, from_json, plain, to_json
from exray.version import own_version

RUN_FILE = "run.json"
RECORD_FILE = "record.json"
TRIGGERS_FILE = "triggers.jsonl"
TENSORS_FILE = "tensors.safetensors"
RECORD_FILES = (TENSORS_FILE, TRIGGERS_FILE, RECORD_FILE)
TABLES = "tables"
SHOWN_DIFFERENCES = 4
_BROKEN = (
    AttributeError,
    FileNotFoundError,
    KeyError,
    TypeError,
    ValueError,
    msgspec.DecodeError,
)
WORDS_OF_A_RUN = ("run_id", "status", "dataset", "scanner", "judge", "layer", "architecture")
WORDS_OF_A_MACHINE = ("exray", "commit", "torch", "python", "command", "machine", "device")
WORDS_OF_A_TRIGGER = ("victim_name", "target_name", "source", "reason")
NUMBERS_OF_A_TRIGGER = ("asr", "target_probability", "size_pixels", "score")


class ResultStore:
    """The records of one run: one folder per classifier, complete or absent.

    A classifier's folder is written under a temporary name and renamed, so a killed run leaves
    either the complete record or none. A finished record is never overwritten, nor is a record of
    another configuration.

    Args:
        root: Folder of the run; created by the first write.
        mirror: The run's records in an object store, through which machines without a common
            folder share the run; None for a run that lies in the folder alone.

    Example:
        >>> import tempfile
        >>> store = ResultStore(Path(tempfile.mkdtemp()))
        >>> store.claim("r", {"seed": 0})
        >>> store.model_ids(), store.config()
        ([], {'seed': 0})
    """

    def __init__(self, root: Path, *, mirror: RunMirror | None = None) -> None:
        self.root = root
        self.mirror = mirror

    def claim(self, run_id: str, config: Mapping[str, object]) -> None:
        """Reserve the folder for one configuration, and remove what killed runs left in it.

        With a mirror, each side then has the records of both.

        Args:
            run_id: Hash of the configuration.
            config: The configuration, nested or by dotted key; stored beside the records.

        Raises:
            RecordError: If the folder belongs to another configuration, says what differs; or to
                another version of exray, names both.
            StorageError: If the folder cannot be written.
        """
        current = cast("dict[str, object]", plain(flatten(config)))
        version = own_version()
        content = to_json({"run_id": run_id, "version": version, "config": current}, indent=2)
        if self.mirror is not None:
            content = self.mirror.claim_run(RUN_FILE, content)
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            clear_leftovers(self.root)
            create_file(self.root / RUN_FILE, content)
        self._refuse_other_run(run_id, version, current)
        if self.mirror is not None:
            self.mirror.synchronise(self.root, self.model_ids())

    def _refuse_other_run(self, run_id: str, version: str, current: dict[str, object]) -> None:
        stored_id, stored = self._run()
        if stored_id != run_id:
            problem = f"holds run {stored_id}, not {run_id}: {_differences(stored, current)}"
            way_out = f"choose another name=..., or remove the folder {self.root}"
            raise RecordError(self.root, problem, way_out)
        if (began := self._version()) not in ("", version):
            problem = f"was begun by exray {began}, and this is exray {version}"
            raise RecordError(self.root, problem, f"go on with {began}, or choose another name=...")

    def session(self) -> RunSession:
        """What the workers of the run share while they are at it."""
        return RunSession(self.root)

    @contextmanager
    def at_work(
        self, model_id: str, *, wait: bool, waiting: Callable[[], None] | None = None
    ) -> Iterator[bool]:
        """Whether this process alone scans one classifier while the block runs.

        Args:
            model_id: The classifier.
            wait: Whether to wait for another process that is scanning it.
            waiting: Called about every second meanwhile.

        Raises:
            ValueError: If the model's id cannot name a folder.
        """
        place = self._place(model_id)
        with locked(self.root, place.name, wait=wait, waiting=waiting) as is_locked:
            is_done = self.holds(model_id) and _read_record(place).status == "done"
            if self.mirror is None or not is_locked or is_done:
                yield is_locked
                return
            with self.mirror.claimed(model_id, wait=wait, waiting=waiting) as is_claimed:
                if is_claimed and not self.holds(model_id):
                    self.mirror.fetch(self.root, model_id)
                yield is_claimed

    def tables_lock(self) -> AbstractContextManager[bool]:
        """Lets one process at a time collect the records and write tables and reports of them.

        Otherwise shards that end together may leave the table of the one that collected first.
        """
        return locked(self.root, TABLES)

    def config(self) -> dict[str, object]:
        """The configuration that claimed the folder, by dotted key; empty before a claim."""
        return self._run()[1] if (self.root / RUN_FILE).exists() else {}

    def write(self, scan: ModelScan) -> None:
        """Store one classifier's scan, all of it or nothing; with a mirror, publish it too.

        Numbers that are not finite are stored as null and come back as nan.

        Args:
            scan: The scan. Replaces a failed record of the same run.

        Raises:
            RecordError: If the place holds a finished record, or one of another run.
            StorageError: If the disk is full or read-only; nothing is left half written.
            UnreachableError: If the mirror's store does not answer; the folder has the record.
            ValueError: If the model's id cannot name a folder.
        """
        record = scan.record
        place = self._place(record.model_id)
        self._refuse_overwrite(place, record)
        contiguous = {name: np.ascontiguousarray(values) for name, values in scan.tensors.items()}
        lines = b"".join(to_json(trigger.to_dict()) for trigger in scan.triggers)
        with (
            writing(place),
            temporary_folder(self.root) as new,
            temporary_folder(self.root) as old,
        ):
            write_synced(new / TENSORS_FILE, save_tensors(contiguous))
            write_synced(new / TRIGGERS_FILE, lines)
            write_synced(new / RECORD_FILE, to_json(record.to_dict(), indent=2))
            sync_folder(new)
            replaces = place.exists()
            if replaces:
                place.rename(old / place.name)
            new.rename(place)
            sync_folder(self.root)
        if self.mirror is not None and not self.mirror.publish(place, replaces=replaces):
            self.mirror.fetch(self.root, record.model_id)

    def holds(self, model_id: str) -> bool:
        """Whether there is a record of a classifier, finished or failed.

        Args:
            model_id: The classifier.
        """
        return (self._place(model_id) / RECORD_FILE).is_file()

    def find(self, model_id: str, run_id: str) -> ScanRecord | None:
        """The finished record of a classifier, which a resumed run skips.

        Args:
            model_id: The classifier.
            run_id: Hash of the current configuration.

        Returns:
            The record; None if there is none yet, or a failed one, which is tried again.

        Raises:
            RecordError: If the record is broken, or belongs to another run.
        """
        place = self._place(model_id)
        if not (place / RECORD_FILE).exists():
            return None
        record = _read_record(place)
        if record.run_id != run_id:
            raise _other_run(place, record.run_id, run_id)
        return record if record.status == "done" else None

    def read(self, model_id: str) -> ModelScan:
        """A classifier's stored scan; its tensors are read when they are used.

        Args:
            model_id: The classifier.

        Raises:
            RecordError: If there is no record, or a broken one; names the file.
        """
        place = self._place(model_id)
        if not (place / RECORD_FILE).exists():
            raise RecordError(place, "holds no record", "scan the model first")
        return ModelScan(
            record=_read_record(place),
            triggers=_read_triggers(place),
            tensors=StoredTensors(place / TENSORS_FILE),
        )

    def tensors(self, model_id: str) -> StoredTensors:
        """What a report may draw of a classifier, by name; empty where nothing was stored.

        Args:
            model_id: The classifier.

        Raises:
            RecordError: On access, if the file is broken.
        """
        return StoredTensors(self._place(model_id) / TENSORS_FILE)

    def model_ids(self) -> list[str]:
        """The classifiers that have a record, finished or failed, sorted."""
        if not self.root.is_dir():
            return []
        with os.scandir(self.root) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
        return sorted(name for name in names if os.path.isfile(f"{self.root}/{name}/{RECORD_FILE}"))

    def _place(self, model_id: str) -> Path:
        if not model_id.isprintable() or model_id[:1] in ("", ".") or set(model_id) & set("/\\:"):
            raise ValueError(
                "model_id must name a folder: printable, not empty, without slash, backslash, "
                f"colon or leading dot; got {model_id!r}"
            )
        return self.root / model_id

    def _refuse_overwrite(self, place: Path, record: ScanRecord) -> None:
        if not place.exists():
            return
        if not (place / RECORD_FILE).exists():
            raise RecordError(place, "is in the way and holds no record", "move it elsewhere")
        old = _read_record(place)
        if old.run_id != record.run_id:
            raise _other_run(place, old.run_id, record.run_id)
        if old.status == "done":
            raise RecordError(place, "holds a finished record already", SCAN_AGAIN)

    def _version(self) -> str:
        """The version of exray that began the run; empty in those from before it was noted."""
        values = from_json((self.root / RUN_FILE).read_text(encoding="utf-8"))
        return str(values.get("version", ""))

    def _run(self) -> tuple[str, dict[str, object]]:
        path = self.root / RUN_FILE
        try:
            values = from_json(path.read_text(encoding="utf-8"))
            return str(values["run_id"]), dict(cast("dict[str, object]", values["config"]))
        except (KeyError, TypeError, ValueError) as error:
            way_out = f"choose another name=..., or remove the folder {self.root}"
            raise RecordError(path, f"is broken ({error!r})", way_out) from error


def _read_record(place: Path) -> ScanRecord:
    path = place / RECORD_FILE
    try:
        values = _decoded(path.read_bytes())
        values["seconds"] = _with_nan(values.get("seconds", {}))
        values["probability"] = _nan_for_none(values["probability"])
        if isinstance(provenance := values.get("provenance"), dict):
            _shared(provenance, WORDS_OF_A_MACHINE)
        return ScanRecord.from_dict(_shared(values, WORDS_OF_A_RUN))
    except _BROKEN as error:
        raise RecordError(path, f"is broken ({error!r})", SCAN_AGAIN) from error


def _read_triggers(place: Path) -> tuple[TriggerRecord, ...]:
    path = place / TRIGGERS_FILE
    try:
        lines = path.read_bytes().splitlines()
        return tuple(_trigger(_decoded(line)) for line in lines)
    except _BROKEN as error:
        raise RecordError(path, f"is broken ({error!r})", SCAN_AGAIN) from error


def _decoded(text: bytes) -> dict[str, object]:
    """As `from_json`, several times as fast: of many models this is what takes the time."""
    values = msgspec.json.decode(text)
    if not isinstance(values, dict):
        raise ValueError(f"must be a JSON object; got {type(values).__name__}")
    return values


def _shared(values: dict[str, object], names: Sequence[str]) -> dict[str, object]:
    """The values, with one copy in memory of the words that many records have in common."""
    for name in names:
        word = values.get(name)
        if isinstance(word, str):
            values[name] = sys.intern(word)
    return values


def _trigger(values: dict[str, object]) -> TriggerRecord:
    for name in ("measurements", "thresholds"):
        values[name] = _with_nan(values.get(name, {}))
    for name in NUMBERS_OF_A_TRIGGER:
        values[name] = _nan_for_none(values[name])
    return TriggerRecord.from_dict(_shared(values, WORDS_OF_A_TRIGGER))


def _nan_for_none(value: object) -> object:
    return math.nan if value is None else value


def _with_nan(values: object) -> dict[str, object]:
    numbers = cast("dict[str, object]", values)
    for name in [name for name, value in numbers.items() if value is None]:
        numbers[name] = math.nan
    return numbers


def _other_run(place: Path, stored: str, current: str) -> RecordError:
    problem = f"holds a record of run {stored}, not {current}"
    return RecordError(place, problem, "choose another name=..., or remove that folder")


def _differences(stored: Mapping[str, object], current: Mapping[str, object]) -> str:
    """The first keys on which two configurations differ, with both values."""
    keys = [key for key in [*stored, *current] if stored.get(key, ...) != current.get(key, ...)]
    keys = list(dict.fromkeys(keys))
    parts = [
        f"{key}: {stored.get(key, 'absent')} there, {current.get(key, 'absent')} now"
        for key in keys[:SHOWN_DIFFERENCES]
    ]
    if len(keys) > SHOWN_DIFFERENCES:
        parts.append(f"and {len(keys) - SHOWN_DIFFERENCES} more")
    return ", ".join(parts) or "no key differs, so the code or its inputs did"
