"""Hash of what an inversion follows from, by which its result is cached."""

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import Tensor

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.pipeline.code_hash import code_hash


def content_key(described: Mapping[str, object], classifier: Classifier, samples: SampleSet) -> str:
    """Hash of what an inversion follows from: configuration, code, classifier and samples.

    Args:
        described: The configuration, plain values.
        classifier: Its weights, structure, preprocessing and temperature are hashed.
        samples: The images that it is scanned on.
    """
    digest = hashlib.sha256()
    values = {**described, "code": code_hash()}
    digest.update(json.dumps(values, sort_keys=True, default=str).encode())
    digest.update(f"{classifier.network!r}{classifier.preprocessing!r}".encode())
    digest.update(f"{classifier.temperature!r}".encode())
    for name, tensor in sorted(classifier.network.state_dict().items()):
        digest.update(name.encode())
        _feed(digest, tensor)
    _feed(digest, samples.images)
    _feed(digest, samples.labels)
    return digest.hexdigest()[:32]


def _feed(digest: "hashlib._Hash", tensor: Tensor) -> None:
    digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
    flat = tensor.detach().cpu().contiguous().flatten()
    digest.update(flat.view(torch.uint8).numpy().tobytes())
