"""Networks by name: small ones of our own, torchvision's and timm's."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast

import torch
from torch import Tensor, nn

from exray.models import architectures
from exray.models.architectures.libraries import (
    TROJAI_ARCHITECTURES,
    build_timm,
    build_torchvision,
    check_timm,
    check_torchvision,
)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network of our own.

    Args:
        build: Builds it for a number of classes, untrained.
        side: Pixels of the images that it is made for.
    """

    build: Callable[[int], nn.Module]
    side: int


def own_architectures() -> dict[str, Architecture]:
    """The networks that the files of this package define, by name.

    A file ``NAME.py`` with a function ``NAME(num_classes)`` and a constant ``SIDE`` is one.
    """
    names = (module.name for module in pkgutil.iter_modules(architectures.__path__))
    modules = {name: import_module(f"{architectures.__name__}.{name}") for name in names}
    return {
        name: Architecture(
            build=cast("Callable[[int], nn.Module]", vars(module)[name]), side=vars(module)["SIDE"]
        )
        for name, module in modules.items()
        if name in vars(module)
    }


ARCHITECTURES: Mapping[str, Architecture] = own_architectures()


def build(architecture: str, *, num_classes: int, auxiliary_heads: bool = True) -> nn.Module:
    """An untrained network by name.

    Args:
        architecture: One of ours, one of TrojAI's 23, ``torchvision/NAME`` or ``timm/NAME``.
        num_classes: Logits of the network.
        auxiliary_heads: Whether torchvision's GoogLeNet and Inception have the heads that they
            are trained with, as they have by default; TrojAI's have none.

    Raises:
        ValueError: If no network has that name, or timm is not installed.

    Example:
        >>> build("plain_cnn", num_classes=3)[-1].out_features
        3
        >>> build("torchvision/squeezenet1_1", num_classes=4).classifier[1].out_channels
        4
    """
    if architecture in ARCHITECTURES:
        return ARCHITECTURES[architecture].build(num_classes)
    check_architecture(architecture)
    library, _, name = architecture.rpartition("/")
    if library == "timm":
        return build_timm(name, num_classes=num_classes)
    return build_torchvision(name, num_classes=num_classes, auxiliary_heads=auxiliary_heads)


def skeleton(architecture: str, *, num_classes: int) -> nn.Module:
    """A network by name of which only names and shapes count: on torch's meta device if it can be.

    Args:
        architecture: As :func:`build` takes it.
        num_classes: Logits of the network.

    Raises:
        ValueError: As :func:`build`.

    Example:
        >>> skeleton("plain_cnn", num_classes=3)[-1].weight.shape
        torch.Size([3, 64])
    """
    try:
        with torch.device("meta"):
            return build(architecture, num_classes=num_classes)
    except (NotImplementedError, RuntimeError):  # RegNet computes its widths with torch
        return build(architecture, num_classes=num_classes)


def class_count(architecture: str, state: Mapping[str, Tensor]) -> int:
    """Number of classes that a network's weights were trained for: the length of its head.

    The head is what changes its shape with the number of classes.

    Args:
        architecture: As :func:`build` takes it.
        state: Its weights, under the network's own names.

    Returns:
        The count; 2 where the weights have no head of that name and so do not fit.

    Example:
        >>> class_count("plain_cnn", build("plain_cnn", num_classes=7).state_dict())
        7
    """
    small, large = (skeleton(architecture, num_classes=count).state_dict() for count in (2, 3))
    head = [name for name in small if small[name].shape != large[name].shape]
    return int(state[head[-1]].shape[0]) if head and head[-1] in state else 2


def check_architecture(architecture: str) -> None:
    """Refuse a name that no network has, without building one.

    Args:
        architecture: As :func:`build` takes it.

    Raises:
        ValueError: If no network has that name, or timm is not installed.

    Example:
        >>> check_architecture("torchvision/resnet18")
    """
    library, _, name = architecture.rpartition("/")
    if architecture in ARCHITECTURES:
        return
    if library == "timm":
        check_timm(name)
        return
    if library == "torchvision" or architecture in TROJAI_ARCHITECTURES:
        check_torchvision(name)
        return
    known = ", ".join((*ARCHITECTURES, *TROJAI_ARCHITECTURES))
    raise ValueError(
        f"architecture {architecture!r} is not known; known: {known}, torchvision/NAME, timm/NAME; "
        "for any other network give factory=FILE.py:function"
    )
