"""Networks of torchvision and timm by their libraries' names."""

import difflib
import importlib
from collections.abc import Callable
from typing import cast

from torch import nn

from exray.extras import import_extra

# Those of TrojAI's rounds 2 to 4.
TROJAI_ARCHITECTURES = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "wide_resnet50_2", "wide_resnet101_2",
    "densenet121", "densenet161", "densenet169", "densenet201",
    "googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1",
    "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
    "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", "mobilenet_v2",
)  # fmt: skip


# Their own initialisation draws from scipy's truncated normal, which takes minutes.
_SLOW_TO_INITIALISE = ("googlenet", "inception_v3")


def build_torchvision(name: str, *, num_classes: int, auxiliary_heads: bool) -> nn.Module:
    """An image classifier of torchvision, without pretrained weights."""
    models = importlib.import_module("torchvision.models")
    network: nn.Module
    if name in _SLOW_TO_INITIALISE:
        network = models.get_model(
            name, num_classes=num_classes, init_weights=False, aux_logits=auxiliary_heads
        )
    else:
        network = models.get_model(name, num_classes=num_classes)
    return network


def check_torchvision(name: str) -> None:
    """Refuse a name that torchvision has no image classifier of.

    Raises:
        ValueError: If there is none; lists all.
    """
    models = importlib.import_module("torchvision.models")
    names: list[str] = models.list_models(module=models)
    if name not in names:
        raise ValueError(f"torchvision has no classifier {name!r}; it has: {', '.join(names)}")


def build_timm(name: str, *, num_classes: int) -> nn.Module:
    """A network of timm, without pretrained weights."""
    timm = importlib.import_module("timm")
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=num_classes)
    return network


def sized_builder(architecture: str, *, num_classes: int) -> Callable[[int], nn.Module] | None:
    """What builds a library's network for images of a side; None for a network of ours.

    Args:
        architecture: ``timm/NAME``, ``torchvision/NAME``, or one of TrojAI's.
        num_classes: Logits of the network.

    Returns:
        A function of the side in pixels, which raises ``TypeError`` for a network of any size.
    """
    library, _, name = architecture.rpartition("/")
    if library == "timm":
        timm = importlib.import_module("timm")
        return lambda side: cast(
            nn.Module, timm.create_model(name, num_classes=num_classes, img_size=side)
        )
    if library == "torchvision" or name in TROJAI_ARCHITECTURES:
        models = importlib.import_module("torchvision.models")
        return lambda side: cast(
            nn.Module, models.get_model(name, num_classes=num_classes, image_size=side)
        )
    return None


def check_timm(name: str) -> None:
    """Refuse a name that timm has no network of.

    Raises:
        ValueError: If there is none, with similar names; or timm is not installed.
    """
    timm = import_extra("timm", extra="timm", purpose=f"architecture 'timm/{name}'")
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=10, cutoff=0.4)
        like = ", ".join(near) or "none; timm.list_models() lists all"
        raise ValueError(f"timm has no network {name!r}; like it: {like}")
