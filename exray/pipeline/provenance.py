"""Takes down where a scan comes from: code, machine, file and images."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from exray.datasets.base import ModelDataset
from exray.errors import CheckpointError
from exray.images.samples import SampleSet
from exray.judges.base import Judge, Judgement
from exray.models.checkpoints.reader import file_sha256
from exray.models.classifier import Classifier, Preprocessing
from exray.models.hub.folder import HubFolder
from exray.results.provenance import Plain, Provenance

_PACKAGE = Path(__file__).resolve().parents[1]
_GIT_SECONDS = 10.0


def software(*, device: torch.device, command: str = "") -> Provenance:
    """The provenance of a scan that ends now, without its file and images.

    Args:
        device: Where the classifier ran.
        command: The command line; empty where there was none.
    """
    return Provenance(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        exray=_version(),
        commit=_commit(),
        torch=torch.__version__,
        python=platform.python_version(),
        command=command,
        machine=_machine(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    )


def path_sha256(path: Path) -> str:
    """SHA-256 of a file, or of the names and content of the files that a hub's folder is read from.

    Args:
        path: The file or folder.

    Returns:
        In hexadecimal; empty if it cannot be read, or a name in it leads out of the folder.
    """
    try:
        if not path.is_dir():
            return file_sha256(path)
        lines = [f"{file.name} {file_sha256(file)}" for file in HubFolder(path).files()]
    except (OSError, CheckpointError):
        return ""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def samples_sha256(samples: SampleSet) -> str:
    """SHA-256 of the images' pixels, as bytes in 0 to 255, and of their labels.

    Args:
        samples: The images.
    """
    digest = hashlib.sha256(str(tuple(samples.images.shape)).encode())
    pixels = (samples.images.detach() * 255).round().to(torch.uint8)
    digest.update(pixels.cpu().contiguous().numpy().tobytes())
    digest.update(samples.labels.cpu().contiguous().numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def counts_by_name(samples: SampleSet) -> dict[str, int]:
    """The number of images of each class by its name; of a name that is not its own, by both.

    Args:
        samples: The images.
    """
    names: Sequence[str] = samples.class_names
    return {
        name if names.count(name) == 1 else f"{name} ({index})": count
        for index, (name, count) in enumerate(zip(names, samples.counts(), strict=True))
    }


def described(preprocessing: Preprocessing) -> dict[str, Plain]:
    """A preprocessing as plain values; lists as text.

    Args:
        preprocessing: Of the classifier.

    Example:
        >>> known = described(Preprocessing(scaling="byte", mean=(1.0, 2.0, 3.0)))
        >>> known["scaling"], known["mean"], known["channels"]
        ('byte', '1.0, 2.0, 3.0', 'auto')
    """
    values = asdict(preprocessing).items()
    texts = ((name, ", ".join(map(str, v)) if isinstance(v, tuple) else v) for name, v in values)
    return {name: value for name, value in texts if value not in ("", None)}


def of_scan(
    classifier: Classifier, samples: SampleSet, judge: Judge, judgements: Sequence[Judgement] = ()
) -> Provenance:
    """Code, machine, images and calibration behind a scan that ends now.

    Args:
        classifier: What was scanned.
        samples: The images that were used.
        judge: What judged its triggers.
        judgements: Of these.
    """
    return replace(
        software(device=classifier.device),
        images_sha256=samples_sha256(samples),
        images_per_class=counts_by_name(samples),
        preprocessing=described(classifier.preprocessing),
        calibration=judge.calibration_facts(judgements),
    )


def of_failure(
    source: ModelDataset, model_id: str, *, device: torch.device, command: str
) -> Provenance:
    """The provenance of a model whose scan failed, as far as its file can be read.

    Args:
        source: The dataset.
        model_id: The model.
        device: Where it would have run.
        command: The command line; empty where there was none.
    """
    made = software(device=device, command=command)
    try:
        return replace(made, model_sha256=path_sha256(source.model_file(model_id)))
    except Exception:  # the failure itself is in the record
        return made


@cache
def _version() -> str:
    try:
        return version("exray")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return ""


@cache
def _commit() -> str:
    """The checkout's commit; empty for an installed package."""
    if not (_PACKAGE.parent / ".git").exists():
        return ""
    words = ["git", "-C", str(_PACKAGE.parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        ran = subprocess.run(
            [*words, "--exclude=*"], capture_output=True, text=True, timeout=_GIT_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}".strip()
    return f"{system}, {cores} CPU core{'' if cores == 1 else 's'}"
