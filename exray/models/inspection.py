"""What a stranger's model file is and holds, and which network its weights are of."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from exray.errors import CheckpointError
from exray.models.architectures.index import resembling
from exray.models.architectures.registry import class_count, skeleton
from exray.models.checkpoints.checkpoint import Checkpoint
from exray.models.checkpoints.file_report import FileReport, inspect_file
from exray.models.checkpoints.fit import fit
from exray.models.checkpoints.model_file import ModelFile
from exray.models.checkpoints.reader import read_checkpoint
from exray.models.fitted_architecture import build_fitted
from exray.models.hub.classifier import folder_report, is_hub_folder, read_hub_folder
from exray.models.hub.folder import HubFolder
from exray.text import some

Shapes = Mapping[str, tuple[int, ...]]
_NUM_CANDIDATES = 5  # built, on torch's meta device, to compare all names and shapes
_NUM_PREFIXES = 3  # of names, that are tried where the names as they are resemble nothing
_NUM_CLASSES = 10  # named of a hub's folder
_NEARLY = 0.9  # share from which it is tried whether a scan's changes make all fit
_LEAST_SHARE = 0.5  # of names and shapes that a likely architecture has in common


@dataclass(frozen=True, kw_only=True)
class LikelyArchitecture:
    """An architecture whose names and shapes a file's weights have.

    Args:
        name: As ``--architecture`` takes it.
        share: Of its names and shapes and the file's, those that both have, in [0, 1]; 1 where all
            fit but for the number of classes.
        num_classes: Of the file's head; None where not all names fit.
        changes: What a scan changes in the network so that they do, one sentence each.
    """

    name: str
    share: float
    num_classes: int | None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file is and holds.

    Args:
        path: The file.
        report: What its bytes say: form, sizes, and the names in its pickles.
        problem: Why it is refused, with the way out; empty where it is read.
        remarks: What was taken and what was left out, one sentence each.
        network: The class of the network that it holds whole, or None.
        shapes: Sides of its weights by name.
        others: Keys of further weights in it.
        architectures: The likeliest, best first; empty where it holds the network.
    """

    path: Path
    report: FileReport
    problem: str = ""
    remarks: tuple[str, ...] = ()
    network: str | None = None
    shapes: Shapes
    others: tuple[str, ...] = ()
    architectures: tuple[LikelyArchitecture, ...] = ()

    @property
    def num_numbers(self) -> int:
        """How many numbers its weights have."""
        total = 0
        for sides in self.shapes.values():
            count = 1
            for side in sides:
                count *= side
            total += count
        return total

    @property
    def command(self) -> str:
        """What to type next; empty where the file is refused."""
        if self.problem:
            return ""
        described = ""
        if self.network is None:
            described = " --factory FILE.py:FUNCTION"
            if self.architectures and self.architectures[0].num_classes is not None:
                described = f" --architecture {self.architectures[0].name}"
        return f"exray scan {_quoted(str(self.path))}{described} --images DIR"


def inspect_model(path: Path) -> Inspection:
    """What a file is, what it holds, and what to type next; nothing in it is executed.

    Args:
        path: Any file, or a hub's folder; one that is refused has an answer too.
    """
    if is_hub_folder(path):
        return _inspected_folder(HubFolder(path))
    file = ModelFile(path)
    report = inspect_file(file)
    try:
        checkpoint = read_checkpoint(file)
    except CheckpointError as error:
        return Inspection(
            path=path, report=report, problem=str(error).removeprefix(f"{path} "), shapes={}
        )
    network = None if checkpoint.network is None else type(checkpoint.network).__name__
    choice = (checkpoint.choice,) if checkpoint.choice else ()
    return Inspection(
        path=path,
        report=report,
        remarks=(
            *checkpoint.remarks,
            *choice,
            *((checkpoint.unbuilt,) if checkpoint.unbuilt else ()),
        ),
        network=network,
        shapes=checkpoint.shapes[0],
        others=tuple(other.key for other in checkpoint.others if network is None),
        architectures=() if network else likely_architectures(checkpoint),
    )


def _inspected_folder(folder: HubFolder) -> Inspection:
    """What a hub's folder holds: its own network, which is built of a library's classes."""
    report = folder_report(folder)
    try:
        found = read_hub_folder(folder)
    except (CheckpointError, ValueError) as error:
        problem = str(error).removeprefix(f"{folder.path} ")
        return Inspection(path=folder.path, report=report, problem=problem, shapes={})
    names = sorted(found.class_indices, key=lambda name: found.class_indices[name])
    classes = (f"its classes are {some(names, _NUM_CLASSES)}",) if names else ()
    state = found.network.state_dict()
    return Inspection(
        path=folder.path,
        report=report,
        remarks=(*found.remarks, *classes),
        network=found.name,
        shapes={name: tuple(value.shape) for name, value in state.items()},
    )


def likely_architectures(checkpoint: Checkpoint) -> tuple[LikelyArchitecture, ...]:
    """The architectures of torchvision and timm that a checkpoint's weights are likely of.

    A few are found by :func:`exray.models.architectures.index.resembling` and built on the meta
    device, to compare all of their names and shapes.

    Args:
        checkpoint: What a file held.

    Returns:
        Those with at least half of all names and shapes in common, best first.
    """
    shapes = checkpoint.shapes[0]
    names = list(dict.fromkeys(name for form in _forms(shapes) for name in _resembling(form)))
    found = [_compared(name, checkpoint) for name in names[:_NUM_CANDIDATES]]
    likely = [one for one in found if one is not None and one.share >= _LEAST_SHARE]
    return tuple(sorted(likely, key=lambda one: -one.share))


def _resembling(shapes: Shapes) -> list[str]:
    return resembling(shapes, limit=_NUM_CANDIDATES)


def _forms(shapes: Shapes) -> list[Shapes]:
    """The weights as they are, and what lies under each of the commonest first parts of names."""
    counts: dict[str, int] = {}
    for name in shapes:
        first, dot, _ = name.partition(".")
        counts[first + dot] = counts.get(first + dot, 0) + 1
    common = sorted(counts, key=lambda first: -counts[first])[:_NUM_PREFIXES]
    inside = [
        {
            name.removeprefix(first): sides
            for name, sides in shapes.items()
            if name.startswith(first)
        }
        for first in common
        if 2 * counts[first] > len(shapes)
    ]
    return [shapes, *inside]


def _compared(name: str, checkpoint: Checkpoint) -> LikelyArchitecture | None:
    """An architecture beside a checkpoint; None where it cannot be built."""
    try:
        network = skeleton(name, num_classes=2)
    except (ValueError, RuntimeError, ImportError):
        return None
    shapes = checkpoint.shapes[0]
    own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found = fit(own, shapes, shapes=False)
    if not found.fits:
        both = sum(own[key] == sides for key, sides in shapes.items() if key in own)
        share = both / max(1, len({*own, *shapes}))
        return LikelyArchitecture(name=name, share=share, num_classes=None)
    count = class_count(name, found.apply(checkpoint.state))
    share = _same(skeleton(name, num_classes=count), found.names, shapes)
    changes: tuple[str, ...] = ()
    if _NEARLY <= share < 1:
        network, changes = _fitted(name, found.apply(checkpoint.state), count)
        share = _same(network, found.names, shapes)
    fits = share == 1
    return LikelyArchitecture(
        name=name,
        share=share,
        num_classes=count if fits else None,
        changes=changes if fits else (),
    )


def _fitted(
    name: str, state: Mapping[str, Tensor], num_classes: int
) -> tuple[nn.Module, tuple[str, ...]]:
    """The network as a scan would change it for its weights; as it is where that cannot be told."""
    try:
        with torch.device("meta"):
            return build_fitted(name, state, num_classes=num_classes)
    except (NotImplementedError, RuntimeError):
        return skeleton(name, num_classes=num_classes), ()


def _same(network: nn.Module, names: Mapping[str, str], shapes: Shapes) -> float:
    """The share of a network's names under which the file has its shapes."""
    full = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    same = sum(shapes[there] == full[key] for key, there in names.items() if there in shapes)
    return same / max(1, len(names))


def _quoted(text: str) -> str:
    """A path as a shell takes it."""
    plain = text.replace("/", "").replace(".", "").replace("-", "").replace("_", "").isalnum()
    return text if plain else "'" + text.replace("'", "'\\''") + "'"
