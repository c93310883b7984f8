"""A network out of a file, by a factory or in memory, as the classifier that is scanned."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from exray.errors import CheckpointError
from exray.models.adaptation import adapted
from exray.models.architectures.factory import factory_name, network_from_factory
from exray.models.architectures.registry import (
    ARCHITECTURES,
    check_architecture,
    class_count,
    skeleton,
)
from exray.models.checkpoints.checkpoint import Checkpoint
from exray.models.checkpoints.file_report import inspect_file
from exray.models.checkpoints.model_file import FileForm, ModelFile
from exray.models.checkpoints.reader import read_checkpoint
from exray.models.checkpoints.torch_checkpoint import WEIGHTS_ALONE
from exray.models.checkpoints.weights import load_state, state_for
from exray.models.classifier import Classifier, Preprocessing
from exray.models.declared_input import DeclaredInput, for_channels
from exray.models.fitted_architecture import build_fitted
from exray.models.hub.classifier import (
    class_indices,
    declared_input,
    folder_report,
    read_hub_folder,
)
from exray.models.hub.folder import HubFolder
from exray.models.hub.timm_networks import declared_by_timm
from exray.models.input_fit import first_channels, runs

Factory = str | Callable[[], nn.Module]
"""``FILE.py:function``, or the function itself; it takes no argument and builds the network."""

PROBE_IMAGES = 8  # on which a network's outputs are checked
DESCRIBE_NETWORK = (
    f"give exactly one of architecture=NAME (known: {', '.join(ARCHITECTURES)}, torchvision/NAME, "
    "timm/NAME) and factory=FILE.py:function; exray inspect FILE names likely ones"
)
_PLAIN = Preprocessing()
_MAX_CHANNELS = 4  # of an ONNX graph's images; longer sides are pixels
_SIDES = (224, 299, 64, 32, 28)  # pixels; tried in this order where no example is given


@dataclass(frozen=True, kw_only=True)
class LoadedNetwork:
    """A network with its weights, before its outputs are known.

    Args:
        network: In eval mode, owned by whoever loaded it.
        name: The factory's function, the architecture, or the network's class.
        file_report: What the static inspection of its file reported; empty without a file.
        warnings: What the user should know about how it was read, one sentence each.
        class_indices: The index of each class that its publisher named; empty without names.
        declared: How images become its input by its publisher's word; None where nobody says.
    """

    network: nn.Module
    name: str
    file_report: Mapping[str, str | int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    class_indices: Mapping[str, int] = field(default_factory=dict)
    declared: DeclaredInput | None = None

    def classifier(
        self, preprocessing: Preprocessing, example: Float[Tensor, "n c h w"]
    ) -> Classifier:
        """The classifier, which takes RGB images and returns logits whatever the network does.

        Args:
            preprocessing: Applied before the network.
            example: Images in [0, 1] at the network's size; a few are used.

        Raises:
            ValueError: If the network does not run on the images, or returns no numbers for each.
        """
        step = max(1, len(example) // PROBE_IMAGES)
        fit = adapted(self.network, preprocessing, example[::step][:PROBE_IMAGES])
        return Classifier(
            fit.network,
            fit.preprocessing,
            num_classes=fit.num_classes,
            name=self.name,
            file_report=self.file_report,
            warnings=(*self.warnings, *fit.remarks),
        )


def load_classifier(
    path: str | Path | nn.Module,
    *,
    architecture: str | None = None,
    factory: Factory | None = None,
    num_classes: int | None = None,
    weights: str | None = None,
    preprocessing: Preprocessing | None = None,
    example: Float[Tensor, "n c h w"] | None = None,
) -> Classifier:
    """The classifier in a model file, or around a network in memory.

    A file is inspected before it is loaded, and nothing in it is executed; the report stays with
    the classifier as ``file_report``, and what the user should know as ``warnings``. A network in
    memory is copied: the caller's own stays in its mode, with its gradients.

    Args:
        path: A state dict (``.pt``, ``.pth``, ``.safetensors``, ``.h5``), a pickled network of
            torch's and torchvision's layers, a folder as model hubs store it, or an ``nn.Module``.
        architecture: Name of the network whose weights the file holds; see
            :func:`exray.models.architectures.registry.build`.
        factory: Function that builds it, or ``FILE.py:function``. The caller vouches for it.
        num_classes: Number of classes of a network built by name; None reads it from its weights.
        weights: Which of several weights in the file: their key, the first part of their names, or
            ``ema``; None takes those that fit the network, the likeliest first.
        preprocessing: Turns images in [0, 1] into what the network takes; None takes the mean and
            std that the folder or timm declares, or none.
        example: A few images in [0, 1] at the network's size, on which its outputs are checked;
            None tries noise of common sizes.

    Raises:
        CheckpointError: If the file is not a checkpoint, would run code, or does not fit.
        ValueError: If the arguments do not say which network it is, or it returns no numbers for
            each image of the example.

    Example:
        >>> network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
        >>> load_classifier(network).num_classes
        5
    """
    loaded = load_network(
        path, architecture=architecture, factory=factory, num_classes=num_classes, weights=weights
    )
    if preprocessing is None:
        preprocessing = _PLAIN if loaded.declared is None else loaded.declared.preprocessing
    side = None if loaded.declared is None else loaded.declared.side
    images = _noise(loaded.network, preprocessing, side) if example is None else example
    return loaded.classifier(preprocessing, images)


def load_network(
    path: str | Path | ModelFile | nn.Module,
    *,
    architecture: str | None = None,
    factory: Factory | None = None,
    num_classes: int | None = None,
    weights: str | None = None,
    way_out: str = DESCRIBE_NETWORK,
) -> LoadedNetwork:
    """The network in a model file, or a frozen copy of one in memory, without running it.

    Args:
        path: See :func:`load_classifier`; a file that has been inspected is not parsed again. A
            folder with ``config.json`` describes its own network, unless the caller does.
        architecture: Likewise.
        factory: Likewise.
        num_classes: Likewise.
        weights: Likewise.
        way_out: What the user can do where the file holds weights alone and nothing describes the
            network, for the message.

    Raises:
        CheckpointError: See :func:`load_classifier`.
        ValueError: If the arguments do not say which network it is.
    """
    if isinstance(path, nn.Module):
        if architecture is not None or factory is not None:
            raise ValueError("architecture and factory describe a file; path is a network already")
        return LoadedNetwork(network=_frozen_copy(path), name=type(path).__name__)
    check_description(architecture, factory)
    file = path if isinstance(path, ModelFile) else ModelFile(Path(path))
    if file.path.is_dir():
        return _load_folder(HubFolder(file.path), architecture, factory, num_classes)
    report, path = inspect_file(file), file.path
    checkpoint = read_checkpoint(file, weights=weights)
    network, said = _described(checkpoint, path, architecture, factory, num_classes)
    if network is None:
        network = _own_network(checkpoint, path, way_out)
        choice = (checkpoint.choice,) if checkpoint.choice else ()
        name, warnings = type(network).__name__, (*checkpoint.remarks, *choice)
    else:
        state, remarks = state_for(network, checkpoint, path)
        load_state(network, state, path)
        name = _name(architecture, factory)
        warnings = (
            *(() if checkpoint.network is not None else checkpoint.remarks),
            *remarks,
            *said,
        )
    return LoadedNetwork(
        network=network.eval(),
        name=name,
        file_report=report,
        warnings=warnings,
        declared=_declared(architecture, file, network),
    )


def _load_folder(
    folder: HubFolder,
    architecture: str | None,
    factory: Factory | None,
    num_classes: int | None,
) -> LoadedNetwork:
    """The network in a hub's folder: its own, or the caller's with the folder's weights."""
    report = folder_report(folder)
    if architecture is None and factory is None:
        found = read_hub_folder(folder)
        return LoadedNetwork(
            network=found.network,
            name=found.name,
            file_report=report,
            warnings=found.remarks,
            class_indices=found.class_indices,
            declared=found.declared,
        )
    checkpoint = Checkpoint(state=folder.state())
    network, said = _described(checkpoint, folder.path, architecture, factory, num_classes)
    assert network is not None
    state, remarks = state_for(network, checkpoint, folder.path)
    load_state(network, state, folder.path)
    return LoadedNetwork(
        network=network.eval(),
        name=_name(architecture, factory),
        file_report=report,
        warnings=(*folder.remarks, *remarks, *said),
        class_indices=class_indices(folder.config),
        declared=declared_input(folder),
    )


def _declared(
    architecture: str | None, file: ModelFile, network: nn.Module
) -> DeclaredInput | None:
    """What timm says of a network of its own, or an ONNX graph of its input's size."""
    library, _, name = (architecture or "").partition("/")
    if library == "timm":
        return for_channels(declared_by_timm(name), first_channels(network))
    if file.form is not FileForm.ONNX or architecture is not None:
        return None
    sides = [side for side in file.onnx.sides[1:] if side > _MAX_CHANNELS]
    square = len(sides) == 2 and sides[0] == sides[1]
    return DeclaredInput(source="the graph", size=sides[0]) if square else None


def check_description(architecture: str | None, factory: Factory | None) -> None:
    """Refuse two descriptions of one network, and an architecture that does not exist.

    Args:
        architecture: Name of a network, or None.
        factory: What builds it, or None.

    Raises:
        ValueError: If both are given, or no network has that name.
    """
    if architecture is not None and factory is not None:
        raise ValueError(
            "architecture and factory both describe the network; give exactly one of them; "
            f"got architecture={architecture!r} and factory={factory!r}"
        )
    if architecture is not None:
        check_architecture(architecture)


def _described(
    checkpoint: Checkpoint,
    path: Path,
    architecture: str | None,
    factory: Factory | None,
    num_classes: int | None,
) -> tuple[nn.Module | None, tuple[str, ...]]:
    """The network that the caller described, without its weights, and how it was fitted to them."""
    if factory is not None:
        return network_from_factory(factory), ()
    if architecture is None:
        return None, ()
    blank = skeleton(architecture, num_classes=2)
    state, _ = state_for(blank, checkpoint, path, shapes=False)
    if num_classes is None:
        num_classes = class_count(architecture, state)
    return build_fitted(architecture, state, num_classes=num_classes)


def _own_network(checkpoint: Checkpoint, path: Path, way_out: str) -> nn.Module:
    """The network that the file itself holds."""
    if checkpoint.network is None:
        raise CheckpointError(path, checkpoint.unbuilt or WEIGHTS_ALONE, way_out)
    return checkpoint.network


def _name(architecture: str | None, factory: Factory | None) -> str:
    if factory is None:
        assert architecture is not None
        return architecture
    return factory_name(factory).rpartition(":")[2]


def _frozen_copy(network: nn.Module) -> nn.Module:
    """A copy in eval mode without gradients; the caller's network stays as it was."""
    try:
        return copy.deepcopy(network).eval().requires_grad_(False)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ValueError(
            f"the network cannot be copied ({error}); save its state dict to a file and give that "
            "with a factory"
        ) from error


def _noise(network: nn.Module, preprocessing: Preprocessing, declared: int | None) -> Tensor:
    """Noise of the declared size, or of the first common one that the network runs on."""
    stream = torch.Generator().manual_seed(0)
    first = next(network.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    for tries_batch_sizes in (False, True):
        for side in _SIDES if declared is None else (declared, *_SIDES):
            images = torch.rand(2, 3, side, side, generator=stream).to(device)
            if runs(network, preprocessing, images, tries_batch_sizes=tries_batch_sizes):
                return images
    sizes = ", ".join(f"{side} x {side}" for side in _SIDES)
    raise ValueError(
        f"the network runs on no image of {sizes} pixels; give a few of its images as example"
    )
