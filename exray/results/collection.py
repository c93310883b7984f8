"""All records of a run as one table, with what is missing from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64
from numpy import ndarray

from exray.results.model_scan import ModelScan
from exray.results.records import ScanRecord
from exray.results.store import ResultStore
from exray.storage.atomic_files import replace_file
from exray.text import some

TYPES = {
    "model_id": "object",
    "judge": "object",
    "scanner": "object",
    "layer": "object",
    "is_trojaned": "boolean",
    "verdict": "object",
    "probability": "float64",
    "num_triggers": "int64",
    "num_injected": "int64",
    "seconds": "float64",
    "scanner_flags": "boolean",
    "num_candidates": "int64",
    "dataset": "object",
    "architecture": "object",
    "num_classes": "int64",
    "clean_accuracy": "float64",
    "status": "object",
    "error_line": "object",
    "load_seconds": "float64",
    "inversion_seconds": "float64",
    "judgement_seconds": "float64",
    "seed": "int64",
    "run_id": "object",
    "trigger_kind": "object",
    "trigger_reach": "object",
    "trigger_size": "float64",
    "trigger_option": "object",
}
TRIGGER_COLUMNS = (
    "model_id",
    "index",
    "victim_class",
    "target_class",
    "victim_name",
    "target_name",
    "source",
    "asr",
    "target_probability",
    "size_pixels",
    "is_injected",
    "score",
    "is_true_trigger",
    "reason",
)
SHOWN_IDS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Collection:
    """The records of a run, and how complete they are.

    Args:
        frame: One row per record; ``is_trojaned`` and ``scanner_flags`` are nullable booleans.
        scans: The same scans with their triggers, in the frame's order.
        expected: Models that should have a record.
        recorded: Models that have one, finished or failed.
        failed: Models whose scan failed.
        missing: Expected models without a record.
    """

    frame: pd.DataFrame
    scans: tuple[ModelScan, ...]
    expected: tuple[str, ...]
    recorded: tuple[str, ...]
    failed: tuple[str, ...]
    missing: tuple[str, ...]

    def expecting(self, model_ids: Sequence[str]) -> "Collection":
        """The same records, compared with other expected models.

        Args:
            model_ids: Models that should have a record.
        """
        return collection_of(self.scans, model_ids)

    @property
    def triggers(self) -> pd.DataFrame:
        """One row per trigger, as `trigger_frame` gives it."""
        return _trigger_table(self.scans)

    @property
    def caption(self) -> str:
        """How complete the table is, in words."""
        present = len(self.expected) - len(self.missing)
        parts = [f"{present} of {_models(len(self.expected))} recorded"]
        if self.failed:
            parts.append(f"{len(self.failed)} failed ({some(self.failed, SHOWN_IDS)})")
        if self.missing:
            parts.append(f"{len(self.missing)} missing ({some(self.missing, SHOWN_IDS)})")
        extra = len(self.recorded) - present
        if extra:
            parts.append(f"{extra} more in the folder than were asked for")
        return ", ".join(parts) + ("." if len(parts) > 1 else ", none failed.")


def collect(store: ResultStore, expected: Sequence[str] | None = None) -> Collection:
    """Every record of a store in one table. Nothing is dropped: gaps and failures are listed.

    Args:
        store: Where the records lie.
        expected: Models that should have a record; None for those that have one.

    Raises:
        RecordError: If a record is broken; names the file.
    """
    scans = [store.read(model_id) for model_id in store.model_ids()]
    return collection_of(scans, expected)


def collection_of(scans: Sequence[ModelScan], expected: Sequence[str] | None = None) -> Collection:
    """Scans in one table, whether they are stored or not.

    Args:
        scans: The scans.
        expected: Models that should have one; None for those that have one.
    """
    model_ids = tuple(scan.record.model_id for scan in scans)
    all_expected = model_ids if expected is None else tuple(dict.fromkeys(expected))
    return Collection(
        frame=_record_table([scan.record for scan in scans]),
        scans=tuple(scans),
        expected=all_expected,
        recorded=model_ids,
        failed=tuple(scan.record.model_id for scan in scans if scan.record.status != "done"),
        missing=tuple(sorted(set(all_expected) - set(model_ids))),
    )


def merged(runs: Mapping[str, Collection]) -> Collection:
    """The records of several runs in one table, each model's name behind that of its run.

    Args:
        runs: The runs' records, by name; those of a single run stay as they are.
    """
    if len(runs) == 1:
        return next(iter(runs.values()))
    named = [(name, scan) for name, run in runs.items() for scan in run.scans]
    scans = [
        replace(scan, record=replace(scan.record, model_id=f"{name}/{scan.record.model_id}"))
        for name, scan in named
    ]
    expected = [f"{name}/{model_id}" for name, run in runs.items() for model_id in run.expected]
    return collection_of(scans, expected)


def trigger_frame(store: ResultStore) -> pd.DataFrame:
    """One row per trigger: measurements in columns ``m_<name>``, thresholds in ``t_<name>``.

    Args:
        store: Where the records lie.

    Raises:
        RecordError: If a record is broken; names the file.
    """
    return _trigger_table([store.read(model_id) for model_id in store.model_ids()])


def write_tables(collection: Collection, folder: Path) -> None:
    """Writes ``records.csv`` and ``triggers.csv``, each whole or not at all.

    Args:
        collection: One row per record goes to the one file, one per trigger to the other.
        folder: Where they go; created if absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (("records", collection.frame), ("triggers", collection.triggers)):
        content = frame.to_csv(index=False, lineterminator="\n")
        replace_file(folder / f"{name}.csv", content.encode())


def _record_table(records: Sequence[ScanRecord]) -> pd.DataFrame:
    columns = {name: [_value(record, name) for record in records] for name in TYPES}
    return pd.DataFrame(columns, columns=list(TYPES)).astype(TYPES)


def _value(record: ScanRecord, column: str) -> object:
    """What a record has in a column of the table."""
    if column == "verdict":
        return record.verdict.value
    if column == "seconds":
        return record.seconds.get("total", math.nan)
    if column in ("load_seconds", "inversion_seconds", "judgement_seconds"):
        return record.seconds.get(column.removesuffix("_seconds"), math.nan)
    if column in ("trigger_kind", "trigger_reach", "trigger_option"):
        return record.truth.get(column.replace("_kind", "")) or ""
    if column == "trigger_size":
        size = record.truth.get("trigger_size")
        return math.nan if size is None else size
    return getattr(record, column)


def _trigger_table(scans: Sequence[ModelScan]) -> pd.DataFrame:
    """A column at a time: of many models, rows would take ten times the memory of the table."""
    triggers = [trigger for scan in scans for trigger in scan.triggers]
    columns: dict[str, object] = {
        name: [getattr(trigger, name) for trigger in triggers] for name in TRIGGER_COLUMNS[1:]
    }
    owners = [scan.record.model_id for scan in scans for _ in scan.triggers]
    for letter, field in (("m", "measurements"), ("t", "thresholds")):
        numbers = _number_columns([getattr(trigger, field) for trigger in triggers])
        columns |= {f"{letter}_{name}": numbers[name] for name in sorted(numbers)}
    frame = pd.DataFrame({"model_id": owners, **columns})
    return frame.astype({"is_true_trigger": "boolean", "is_injected": "bool"})


def _number_columns(
    rows: Sequence[Mapping[str, float]],
) -> dict[str, Float64[ndarray, " rows"]]:
    """A column for every name, NaN where a row lacks it; rows of the same names go together."""
    places: dict[tuple[str, ...], list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(tuple(row), []).append(place)
    columns = {name: np.full(len(rows), np.nan) for names in places for name in names}
    for names, rows_of_names in places.items():
        values = chain.from_iterable(rows[place].values() for place in rows_of_names)
        block = np.fromiter(values, np.float64).reshape(len(rows_of_names), len(names))
        for index, name in enumerate(names):
            columns[name][rows_of_names] = block[:, index]
    return columns


def _models(count: int) -> str:
    return f"{count} model" if count == 1 else f"{count} models"
