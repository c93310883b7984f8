"""Triggers that another tool found, measured on the scanned classifier."""

import hashlib
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.scanners.base import FileScanner, Progress, ScannerResult
from exray.scanners.validation import nothing_to_scan, require_fraction
from exray.triggers.base import InvertedTrigger, Trigger
from exray.triggers.external_file import FileTrigger, read_triggers
from exray.triggers.paired import PairedTrigger
from exray.triggers.serialization import from_storage, to_storage


class ExternalScanner(FileScanner):
    """Inverts nothing: reports the triggers of a file, with their ASR measured again.

    The tool's own success rates are ignored. Every trigger of the file is reported, also one that
    flips nothing, so that it gets its judgement. A universal trigger gets the victim class that it
    flips most, the lowest in a tie, as the released code chooses.

    Args:
        triggers: The file, ``.npz`` or ``.safetensors``.
        min_asr: ASR from which the scanner alone says trojaned, a fraction.

    Raises:
        ValueError: If the file is not what ``read_triggers`` takes, or ``min_asr`` is no fraction.

    Source: facts, sections 1.6 (the victim of a universal trigger) and 9.
    """

    name: ClassVar[str] = "external"  # recorded with each trigger's own name as its source

    def __init__(self, *, triggers: str, min_asr: float) -> None:
        require_fraction("min_asr", min_asr)
        self.path = Path(triggers)
        self.min_asr = min_asr
        self.entries = read_triggers(self.path)
        self._fingerprint = _hash_of(self.path)

    def fingerprint(self) -> str:
        """Hash of the trigger file and of the JSON beside it."""
        return self._fingerprint

    def scan(
        self, classifier: Classifier, samples: SampleSet, progress: Progress | None = None
    ) -> ScannerResult:
        """The file's triggers, those of the highest ASR first.

        Inconclusive if the classifier's logits on clean images allow no scan.

        Raises:
            ValueError: If a trigger is of another size than the images, names a class that does
                not exist or has no image, or has no pair for an image; names the file and the
                trigger.
        """
        nothing = nothing_to_scan(classifier, samples)
        triggers: list[InvertedTrigger] = []
        for number, entry in enumerate(self.entries, start=1):
            try:
                triggers.append(self._measured(entry, classifier, samples))
            except ValueError as error:
                raise ValueError(f"{self.path}: trigger {entry.name!r}: {error}") from error
            if progress is not None:
                progress("inversion", number, len(self.entries))
        ordered = sorted(triggers, key=lambda trigger: -trigger.asr)
        score = ordered[0].asr if ordered else 0.0
        return ScannerResult(
            triggers=tuple(ordered),
            num_candidates=len(ordered),
            flags=score >= self.min_asr,
            score=score,
            inconclusive="" if nothing is None else nothing.inconclusive,
        )

    def _measured(
        self, entry: FileTrigger, classifier: Classifier, samples: SampleSet
    ) -> InvertedTrigger:
        """One trigger with the victim it flips most and what it does to that class's images."""
        size, made_for = tuple(samples.images.shape[-2:]), entry.trigger.input_size
        if made_for not in (None, size):
            raise ValueError(
                f"it is made for images of {made_for[0]} x {made_for[1]} pixels, "
                f"and the classifier takes {size[0]} x {size[1]} (dataset.preprocess.*)"
            )
        values, tensors = to_storage(entry.trigger)
        trigger = from_storage(values, tensors, device=samples.images.device)
        measured = [
            (victim, *_success(classifier, trigger, samples.of_class(victim), entry.target_class))
            for victim in _victims(entry, trigger, samples)
        ]
        victim, asr, probability = max(measured, key=lambda result: result[1])
        return InvertedTrigger(
            trigger=trigger,
            victim_class=victim,
            target_class=entry.target_class,
            asr=asr,
            target_probability=probability,
            source=f"{self.name}/{entry.name}",
        )


def _victims(entry: FileTrigger, trigger: Trigger, samples: SampleSet) -> list[int]:
    """The classes an entry is tried on: its victim, or all that it can be applied to."""
    counts = samples.counts()
    named = {"victim": entry.victim_class, "target": entry.target_class}
    for role, index in named.items():
        if index is not None and index >= samples.num_classes:
            raise ValueError(
                f"{role}_class {index} does not exist; the classifier has {samples.num_classes} "
                "classes, from 0"
            )
        if index is not None:
            samples.require_class(index)
    if entry.victim_class is None:
        others = [
            index for index, count in enumerate(counts) if count and index != entry.target_class
        ]
    else:
        others = [entry.victim_class]
    known = {index: _num_known(trigger, samples.of_class(index)) for index in others}
    whole = [index for index in others if known[index] == counts[index]]
    if not whole:
        fullest = max(others, key=lambda index: known[index] / counts[index])
        raise ValueError(
            f"it has a pair for {known[fullest]} of the {counts[fullest]} images of class "
            f"{fullest} that are scanned; give a pair for each, take the other images out of "
            "dataset.images, or give the trigger's mask and pattern"
        )
    return whole


def _num_known(trigger: Trigger, images: Tensor) -> int:
    """How many of the images the trigger can be applied to."""
    if isinstance(trigger, PairedTrigger):
        return int((trigger.places(images) >= 0).sum())
    return len(images)


def _success(
    classifier: Classifier, trigger: Trigger, images: Tensor, target: int
) -> tuple[float, float]:
    """Share of the images that are taken for the target once stamped, and its probability."""
    logits = classifier.predict(trigger.apply(images)).double()
    hits = logits.argmax(dim=1) == target
    if not torch.isfinite(logits).all():
        raise ValueError("the classifier returns NaN or infinity on the stamped images")
    return float(hits.double().mean()), float(logits.softmax(dim=1)[:, target].mean())


def _hash_of(path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes())
    beside = path.with_suffix(".json")
    if beside.is_file():
        digest.update(beside.read_bytes())
    return digest.hexdigest()
