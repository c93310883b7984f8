"""Scanner results cached by content, so that judges share one inversion."""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.pipeline.content_key import content_key
from exray.presets.class_paths import without_paths
from exray.scanners.base import FileScanner, Progress, Scanner, ScannerResult, SearchReport
from exray.storage.atomic_files import (
    clear_leftovers,
    sync_folder,
    temporary_folder,
    write_synced,
    writing,
)
from exray.storage.locks import locked
from exray.storage.plain_json import from_json, to_json
from exray.triggers.base import InvertedTrigger
from exray.triggers.serialization import from_storage, is_storable, to_storage

logger = logging.getLogger(__name__)

SCAN_FILE = "scan.json"
TRIGGERS_FILE = "triggers.safetensors"
WAITING = "waiting for another run"  # the stage while another process has the lock


class BusyError(Exception):
    """Another process is inverting the same triggers right now."""


@dataclass(frozen=True, kw_only=True)
class CachedScan:
    """A scanner's result, fresh or cached.

    Args:
        result: The result.
        cached_seconds: Time that a cached inversion took when it was computed; None for a fresh
            one.
    """

    result: ScannerResult
    cached_seconds: float | None


class ScanCache:
    """Scanner results by the content of everything they follow from.

    The key is a hash of the classifier's weights, structure and preprocessing, the samples, the
    scanner's configuration, the seed and the code that inverts. An entry is a folder, written under
    a temporary name and renamed. Of processes that need the same entry at once one computes it.

    Args:
        root: Folder of the entries; None caches nothing.
        config: The scanner's configuration, plain values.
        seed: Of the run.
    """

    def __init__(self, root: Path | None, *, config: Mapping[str, object], seed: int) -> None:
        self.root = root
        self.config = dict(config)
        self.seed = seed

    def scan(
        self,
        scanner: Scanner,
        classifier: Classifier,
        samples: SampleSet,
        progress: Progress | None = None,
        *,
        wait: bool = True,
    ) -> CachedScan:
        """The scanner's result, from the cache where it has an entry.

        An entry that cannot be read is computed again. Results with triggers of a kind that cannot
        be stored are not cached.

        Args:
            scanner: Runs where there is no entry.
            classifier: What is scanned.
            samples: The clean images it is scanned on.
            progress: Called with a fresh scan's stage, steps done and steps in all.
            wait: Whether to wait for another process that is computing the entry.

        Raises:
            BusyError: If another process is computing it and ``wait`` is False.
            StorageError: If the cache cannot be written.
        """
        if self.root is None:
            result = scanner.scan(classifier, samples, progress)
            return CachedScan(result=result, cached_seconds=None)
        place = self.root / self._key(scanner, classifier, samples)
        cached = read_scan(place, classifier.device)
        if cached is not None:
            return cached

        def waiting() -> None:
            if progress is not None:
                progress(WAITING, 0, 0)

        with locked(self.root, place.name, wait=wait, waiting=waiting) as is_ours:
            if not is_ours:
                raise BusyError(place.name)
            cached = read_scan(place, classifier.device)  # computed while we waited
            if cached is not None:
                return cached
            result = _computed(place, scanner, classifier, samples, progress)
            return CachedScan(result=result, cached_seconds=None)

    def _key(self, scanner: Scanner, classifier: Classifier, samples: SampleSet) -> str:
        described: dict[str, object] = {"config": without_paths(self.config), "seed": self.seed}
        if isinstance(scanner, FileScanner):
            described["files"] = scanner.fingerprint()
        return content_key(described, classifier, samples)


def read_scan(place: Path, device: torch.device) -> CachedScan | None:
    """A cache's entry, or None where there is none that can be read.

    Args:
        place: The entry's folder.
        device: On which its triggers are used.
    """
    if not place.is_dir():
        return None
    try:
        content = cast("dict[str, Any]", from_json((place / SCAN_FILE).read_text("utf-8")))
        tensors = load_tensors((place / TRIGGERS_FILE).read_bytes())
        values = content["result"]
        triggers = tuple(
            _trigger(trigger, index, tensors, device)
            for index, trigger in enumerate(values.pop("triggers"))
        )
        searches = tuple(SearchReport(**search) for search in values.pop("searches", ()))
        result = ScannerResult(triggers=triggers, searches=searches, **values)
        return CachedScan(result=result, cached_seconds=float(content["seconds"]))
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        logger.warning("%s cannot be read (%s)", place, error)
        return None


def _computed(
    place: Path,
    scanner: Scanner,
    classifier: Classifier,
    samples: SampleSet,
    progress: Progress | None,
) -> ScannerResult:
    """The scanner's fresh result, stored if its triggers can be."""
    clear_leftovers(place.parent)
    start = time.perf_counter()
    result = scanner.scan(classifier, samples, progress)
    if all(is_storable(type(inverted.trigger)) for inverted in result.triggers):
        _write(place, result, time.perf_counter() - start)
    return result


def _write(place: Path, result: ScannerResult, seconds: float) -> None:
    """Store an entry whole; an entry that another run stored meanwhile stays."""
    triggers: list[dict[str, object]] = []
    tensors: dict[str, Tensor] = {}
    for index, inverted in enumerate(result.triggers):
        values, arrays = to_storage(inverted.trigger)
        triggers.append({**_plain_fields(inverted, "trigger"), "trigger": values})
        tensors |= {f"{index}/{name}": tensor for name, tensor in arrays.items()}
    searches = [asdict(search) for search in result.searches]
    plain = _plain_fields(result, "triggers")
    fields_of_result = {**plain, "triggers": triggers, "searches": searches}
    content = {"seconds": seconds, "result": fields_of_result}
    with (
        writing(place),
        temporary_folder(place.parent) as new,
        temporary_folder(place.parent) as old,
    ):
        write_synced(new / TRIGGERS_FILE, save_tensors(tensors))
        write_synced(new / SCAN_FILE, to_json(content, indent=1))
        sync_folder(new)
        if place.exists() and read_scan(place, torch.device("cpu")) is None:
            place.rename(old / place.name)
        try:
            new.rename(place)
        except OSError:
            logger.debug("%s was stored by another run meanwhile", place)


def _plain_fields(value: ScannerResult | InvertedTrigger, without: str) -> dict[str, object]:
    """All fields but one, by name."""
    names = [field.name for field in fields(value) if field.name != without]
    return {name: getattr(value, name) for name in names}


def _trigger(
    values: dict[str, Any], index: int, tensors: dict[str, Tensor], device: torch.device
) -> InvertedTrigger:
    """One trigger out of an entry."""
    prefix = f"{index}/"
    arrays = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    trigger = from_storage(values.pop("trigger"), arrays, device=device)
    return InvertedTrigger(trigger=trigger, **values)
