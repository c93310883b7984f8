"""Stores of made-up records of realistic size: as many models as asked for, written quickly."""

import json
import math
import os
import random
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from safetensors.numpy import save

from exray.results.provenance import Provenance
from exray.results.records import ScanRecord, TriggerRecord
from exray.results.store import (
    RECORD_FILE,
    TENSORS_FILE,
    TRIGGERS_FILE,
    ResultStore,
)
from exray.rules.base import CROSS
from exray.rules.paper import PaperRule
from exray.rules.verdict import Verdict
from exray.storage.plain_json import to_json

RUN_ID = "scale"
FURTHER = 24  # measurements of a trigger besides those that the rule reads
PIXELS = 224  # as TrojAI's networks read them
CHANNELS = 512
IMAGES = ("victim_image", "trigger_image", "stamped_image", "target_image")
MASKS = ("mask_victim_target", "mask_victim_stamped")
MOST_TRIGGERS = 4
PROVENANCE = Provenance(
    date="2026-01-31T12:00:00+00:00",
    exray="0.1.0",
    commit="0123456789ab",
    torch="2.13.0",
    python="3.11.7",
    command="run.py dataset=trojai_r4 dataset.root=models-new name=scale",
    machine="Linux x86_64, 2 CPU cores",
    device="cpu",
    model_sha256="0" * 64,
    images_sha256="0" * 64,
    images_per_class={f"class {index}": 10 for index in range(20)},
    preprocessing={"scaling": "unit", "crop": 224},
)
RULE = PaperRule(similarity_threshold=0.8, cross_threshold=0.8)


def made_up_triggers(stream: random.Random, count: int) -> list[TriggerRecord]:
    """Triggers with as many measurements as ``judge=exray`` makes.

    Args:
        stream: Of all numbers.
        count: How many.
    """
    triggers = []
    for index in range(count):
        measurements = {name: stream.random() for name in ("similarity", *CROSS)}
        measurements |= {"converged_victim_target": 1.0, "converged_victim_stamped": 1.0}
        measurements |= {f"measurement_{place}": stream.random() for place in range(FURTHER)}
        decision = RULE.decide(measurements)
        victim, target = stream.sample(range(20), 2)
        triggers.append(
            TriggerRecord(
                index=index,
                victim_class=victim,
                target_class=target,
                victim_name=f"class {victim}",
                target_name=f"class {target}",
                source="scale",
                asr=stream.random(),
                target_probability=stream.random(),
                size_pixels=float(stream.randrange(400)),
                is_injected=decision.is_injected,
                score=decision.score,
                reason=decision.reason,
                measurements=measurements,
                thresholds=dict(decision.thresholds),
                is_true_trigger=False,
            )
        )
    return triggers


def made_up_record(
    stream: random.Random, model_id: str, triggers: list[TriggerRecord]
) -> ScanRecord:
    """A record of a model with these triggers; one of a hundred failed.

    Args:
        stream: Of all numbers.
        model_id: The model.
        triggers: Its triggers.
    """
    is_trojaned, failed = stream.random() < 0.5, stream.random() < 0.01
    is_flagged = any(trigger.is_injected for trigger in triggers)
    natural = Verdict.NATURAL_ONLY if triggers else Verdict.CLEAN
    verdict = Verdict.FAILED if failed else Verdict.TROJANED if is_flagged else natural
    return ScanRecord(
        model_id=model_id,
        run_id=RUN_ID,
        status="failed" if failed else "done",
        verdict=verdict,
        probability=math.nan if failed else max((t.score for t in triggers), default=0.1),
        scanner_flags=bool(triggers),
        num_candidates=20,
        num_triggers=len(triggers),
        num_injected=sum(trigger.is_injected for trigger in triggers),
        dataset="scale",
        scanner="scale",
        judge="exray",
        layer="middle",
        architecture="resnet50",
        num_classes=20,
        clean_accuracy=0.98,
        seconds={"load": 1.0, "inversion": 300 * stream.random(), "judgement": 9.0, "total": 310.0},
        error_line="out of memory" if failed else "",
        look={"form": "safetensors", "bytes": 468168, "tensors": 62},
        truth={"is_trojaned": is_trojaned, "trigger": "polygon" if is_trojaned else None},
        is_trojaned=is_trojaned,
        provenance=PROVENANCE,
    )


def made_up_store(root: Path, models: int, *, seed: int, pictures: bool) -> ResultStore:
    """A run's folder as scans leave it, written without waiting for the disk.

    Args:
        root: The folder.
        models: How many models.
        seed: Of all numbers.
        pictures: Whether each trigger has the pictures and masks that a scan stores.
    """
    stream, store = random.Random(seed), ResultStore(root)
    store.claim(RUN_ID, {"dataset.name": "scale", "seed": seed})
    tensors = _tensor_files(root.parent / "tensors", seed=seed, pictures=pictures)
    for index in range(models):
        triggers = made_up_triggers(stream, stream.randint(0, MOST_TRIGGERS))
        record = made_up_record(stream, f"id-{index:08d}", triggers)
        place = root / record.model_id
        place.mkdir()
        (place / RECORD_FILE).write_bytes(to_json(record.to_dict(), indent=2))
        lines = "".join(json.dumps(trigger.to_dict()) + "\n" for trigger in triggers)
        (place / TRIGGERS_FILE).write_text(lines)
        os.link(tensors[len(triggers)], place / TENSORS_FILE)
    return store


def _tensor_files(folder: Path, *, seed: int, pictures: bool) -> list[Path]:
    """A file for each number of triggers, to be linked to: 10^4 of their own take 12 GB."""
    folder.mkdir()
    stream = np.random.default_rng(seed)
    paths = []
    for count in range(MOST_TRIGGERS + 1):
        tensors: dict[str, ndarray] = {}
        for index in range(count if pictures else 0):
            tensors |= {f"trigger_{index}/{name}": _photograph(stream) for name in IMAGES}
            masks = {name: stream.random(CHANNELS).astype(np.float32) ** 8 for name in MASKS}
            tensors |= {f"trigger_{index}/{name}": mask for name, mask in masks.items()}
        paths.append(folder / f"{count}.safetensors")
        paths[-1].write_bytes(save(tensors))
    return paths


def _photograph(stream: np.random.Generator) -> UInt8[ndarray, "h w 3"]:
    """Noise whose amplitude falls with frequency as a photograph's does, so it packs as one."""
    across = np.fft.fftfreq(PIXELS)
    frequency = np.maximum(np.hypot(across[:, None], across[None]), 1 / PIXELS)
    noise = stream.standard_normal((3, PIXELS, PIXELS)) + 2 * stream.standard_normal(
        (1, PIXELS, PIXELS)
    )
    image = np.fft.ifft2(np.fft.fft2(noise) / frequency).real
    image = 128 + 50 * (image - image.mean()) / image.std()
    return np.ascontiguousarray(image.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
