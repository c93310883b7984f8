"""The repaired weights as a new safetensors file, with where they come from in its metadata."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load, save
from torch import Tensor, nn

from exray.models.checkpoints.weights import load_state
from exray.models.classifier import Classifier
from exray.models.outputs import LogOfProbabilities
from exray.storage.atomic_files import create_file
from exray.storage.plain_json import to_json

PROVENANCE = "exray_repair"  # the metadata's key; its value is JSON
_EXAMPLES = 8  # images on which the written file is compared with the classifier


def check_output(path: Path, parameter: str) -> None:
    """Refuses a place that is taken, is in no folder, or does not end in ``.safetensors``.

    Args:
        path: Where the repaired weights shall go.
        parameter: What it was typed for.

    Raises:
        ValueError: Which rule it breaks.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"{parameter} must end in .safetensors; got {path}")
    if path.exists() or path.is_symlink():
        raise ValueError(f"{parameter} must be a new file, and {path} exists; name another")
    if not path.parent.is_dir():
        raise ValueError(f"{parameter} must lie in a folder that exists; {path.parent} is none")


def write_weights(
    classifier: Classifier,
    path: Path,
    provenance: Mapping[str, object],
    examples: Float[Tensor, "n c h w"],
) -> None:
    """Writes a classifier's weights under its network's own names, and reads them back.

    Args:
        classifier: The repaired one.
        path: A file that does not exist.
        provenance: Where the weights come from, plain values.
        examples: Images on which the file must give the classifier's own predictions.

    Raises:
        ValueError: If the file exists by now, or does not give back what was written.
    """
    network = bare_network(classifier.network)
    state = {name: value.detach().cpu().contiguous().clone() for name, value in _state(network)}
    content = save(state, {"format": "pt", PROVENANCE: to_json(dict(provenance)).decode().strip()})
    probe = classifier.preprocessing(examples[:_EXAMPLES])
    again = copy.deepcopy(network)
    load_state(again, load(content), path)
    with torch.no_grad():
        if not torch.equal(again(probe), network(probe)):
            raise ValueError(f"{path} would not give the predictions of the repaired network")
    if not create_file(path, content):
        raise ValueError(f"{path} exists by now, and nothing is overwritten; name another file")


def provenance_of(path: str | Path) -> dict[str, object]:
    """Where a repaired file's weights come from.

    Args:
        path: A file that :func:`write_weights` wrote.

    Raises:
        ValueError: If it says nothing of that kind.
    """
    content = Path(path).read_bytes()
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    if PROVENANCE not in metadata:
        raise ValueError(f"{path} does not say that it was repaired")
    values: dict[str, object] = json.loads(metadata[PROVENANCE])
    return values


def bare_network(network: nn.Module) -> nn.Module:
    """The network as its file has it, without what exray wraps around it to get logits.

    Args:
        network: A classifier's.
    """
    while isinstance(network, LogOfProbabilities):
        network = network.network
    return network


def _state(network: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, value) for name, value in network.state_dict().items()]
