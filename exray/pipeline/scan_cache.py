"""What scanners found, kept by content, so that judges share one inversion."""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.pipeline.code_hash import code_hash
from exray.presets.class_paths import without_paths
from exray.scanners.base import FileScanner, Progress, Scanner, ScannerResult
from exray.storage.atomic_files import clear_leftovers, sync_folder, temporary_folder, write_synced
from exray.storage.locks import locked
from exray.storage.plain_json import from_json, to_json
from exray.triggers.base import InvertedTrigger
from exray.triggers.serialization import is_storable, packed, unpacked

logger = logging.getLogger(__name__)

SCAN_FILE = "scan.json"
TRIGGERS_FILE = "triggers.safetensors"


class BusyError(Exception):
    """Another process is inverting the same triggers right now."""


@dataclass(frozen=True, kw_only=True)
class CachedScan:
    """A scanner's answer, fresh or kept.

    Args:
        result: The answer.
        kept_seconds: Time that the kept inversion took when it was made; None for a fresh one.
    """

    result: ScannerResult
    kept_seconds: float | None


class ScanCache:
    """Scanner results by the content of everything they follow from.

    The key is a hash of the classifier's weights, structure and preprocessing, the samples, the
    scanner's configuration, the seed and the code that inverts. An entry is a folder, written under
    a temporary name and renamed. Of processes that need the same entry at once one makes it.

    Args:
        root: Folder of the entries; None keeps nothing.
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
        """What the scanner finds, without asking it again for what it was asked before.

        An entry that cannot be read is made anew. Triggers of a kind that cannot be stored are not
        kept.

        Args:
            scanner: Asked where there is no entry.
            classifier: What is scanned.
            samples: The clean images it is scanned on.
            progress: Told how far a fresh scan is.
            wait: Whether to wait for another process that is making the entry.

        Raises:
            BusyError: If another process is making it and this one is not to wait.
        """
        if self.root is None:
            return CachedScan(result=scanner.scan(classifier, samples, progress), kept_seconds=None)
        place = self.root / self._key(scanner, classifier, samples)
        kept = _read(place, classifier.device)
        if kept is not None:
            return kept
        with locked(self.root, place.name, wait=wait) as is_ours:
            if not is_ours:
                raise BusyError(place.name)
            kept = _read(place, classifier.device)  # made while we waited
            if kept is not None:
                return kept
            return CachedScan(
                result=_made(place, scanner, classifier, samples, progress), kept_seconds=None
            )

    def _key(self, scanner: Scanner, classifier: Classifier, samples: SampleSet) -> str:
        described: dict[str, object] = {"config": without_paths(self.config), "seed": self.seed}
        if isinstance(scanner, FileScanner):
            described["files"] = scanner.fingerprint()
        return content_key(described, classifier, samples)


def content_key(described: Mapping[str, object], classifier: Classifier, samples: SampleSet) -> str:
    """Hash of what an inversion follows from: configuration, code, classifier and samples.

    Args:
        described: The configuration, plain values.
        classifier: Its weights, structure and preprocessing count.
        samples: The images it is scanned on.
    """
    digest = hashlib.sha256()
    values = {**described, "code": code_hash()}
    digest.update(json.dumps(values, sort_keys=True, default=str).encode())
    digest.update(f"{classifier.network!r}{classifier.preprocessing!r}".encode())
    for name, tensor in sorted(classifier.network.state_dict().items()):
        digest.update(name.encode())
        _feed(digest, tensor)
    _feed(digest, samples.images)
    _feed(digest, samples.labels)
    return digest.hexdigest()[:32]


def _made(
    place: Path,
    scanner: Scanner,
    classifier: Classifier,
    samples: SampleSet,
    progress: Progress | None,
) -> ScannerResult:
    """The scanner's fresh answer, stored where its triggers can be."""
    clear_leftovers(place.parent)
    start = time.perf_counter()
    result = scanner.scan(classifier, samples, progress)
    if all(is_storable(type(each.trigger)) for each in result.triggers):
        _write(place, result, time.perf_counter() - start)
    return result


def _feed(digest: "hashlib._Hash", tensor: Tensor) -> None:
    digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
    flat = tensor.detach().cpu().contiguous().flatten()
    digest.update(flat.view(torch.uint8).numpy().tobytes())


def _write(place: Path, result: ScannerResult, seconds: float) -> None:
    """Store an entry whole; an entry that another run stored meanwhile stays."""
    triggers: list[dict[str, object]] = []
    tensors: dict[str, Tensor] = {}
    for index, each in enumerate(result.triggers):
        values, own = packed(each.trigger)
        triggers.append({**_plain_fields(each, "trigger"), "trigger": values})
        tensors |= {f"{index}/{name}": tensor for name, tensor in own.items()}
    answer = {**_plain_fields(result, "triggers"), "triggers": triggers}
    content = {"seconds": seconds, "result": answer}
    with temporary_folder(place.parent) as new, temporary_folder(place.parent) as old:
        write_synced(new / TRIGGERS_FILE, save_tensors(tensors))
        write_synced(new / SCAN_FILE, to_json(content, indent=1))
        sync_folder(new)
        if place.exists() and _read(place, torch.device("cpu")) is None:
            place.rename(old / place.name)
        try:
            new.rename(place)
        except OSError:
            logger.debug("%s was stored by another run meanwhile", place)


def _plain_fields(value: ScannerResult | InvertedTrigger, without: str) -> dict[str, object]:
    names = [field.name for field in fields(value) if field.name != without]
    return {name: getattr(value, name) for name in names}


def _read(place: Path, device: torch.device) -> CachedScan | None:
    """An entry, or None where there is none that can be read."""
    if not place.is_dir():
        return None
    try:
        content = cast("dict[str, Any]", from_json((place / SCAN_FILE).read_text("utf-8")))
        tensors = load_tensors((place / TRIGGERS_FILE).read_bytes())
        answer = content["result"]
        triggers = tuple(
            _trigger(values, index, tensors, device)
            for index, values in enumerate(answer.pop("triggers"))
        )
        result = ScannerResult(triggers=triggers, **answer)
        return CachedScan(result=result, kept_seconds=float(content["seconds"]))
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        logger.warning("%s cannot be read (%s); the scan is made anew", place, error)
        return None


def _trigger(
    values: dict[str, Any], index: int, tensors: dict[str, Tensor], device: torch.device
) -> InvertedTrigger:
    prefix = f"{index}/"
    own = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    trigger = unpacked(values.pop("trigger"), own, device=device)
    return InvertedTrigger(trigger=trigger, **values)
