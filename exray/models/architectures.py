"""Networks by name: small ones of our own, torchvision's and timm's."""

import difflib
import importlib
from collections.abc import Callable
from typing import no_type_check

from jaxtyping import Float
from torch import Tensor, nn


def _conv_norm_relu(
    inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (ResNet's basic block, option B)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = _conv_norm_relu(inputs, outputs, stride=stride)
        self.conv = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    @no_type_check  # torch.fx calls it with proxies, which are no tensors
    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        """The block's output, after the addition and the activation."""
        changed = self.norm(self.conv(self.first(features)))
        out: Tensor = self.relu(changed + self.shortcut(features))
        return out


def signs_resnet(num_classes: int) -> nn.Sequential:
    """The embedded zoo's network: stem, three residual stages, one convolution, pooling, linear.

    For 64 x 64 images ``middle`` cuts after the second stage (32 channels of 16 x 16) and
    ``second_last_conv`` after the third (64 channels of 8 x 8).
    """
    network = nn.Sequential()
    network.add_module("stem", _conv_norm_relu(3, 16, stride=2))
    network.add_module("stage1", ResidualBlock(16, 16, stride=1))
    network.add_module("stage2", ResidualBlock(16, 32, stride=2))
    network.add_module("stage3", ResidualBlock(32, 64, stride=2))
    network.add_module("conv", _conv_norm_relu(64, 64))
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", nn.Flatten())
    network.add_module("linear", nn.Linear(64, num_classes))
    return network


def network_in_network(num_classes: int) -> nn.Sequential:
    """Network-in-Network for 32 x 32 images: three blocks of one wide and two 1x1 convolutions.

    Nine convolutions without normalisation need He's initialisation: at torch's own the logits
    hardly depend on the image and training stays at chance.

    Source: Lin et al. 2013, CIFAR-10 model; EX-RAY, section 4.4.
    """

    def block(widths: tuple[int, int, int, int], kernel: int) -> list[nn.Module]:
        kernels = (kernel, 1, 1)
        layers: list[nn.Module] = []
        for size, inputs, outputs in zip(kernels, widths[:3], widths[1:], strict=True):
            layers += [nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.ReLU()]
        return layers

    network = nn.Sequential(
        *block((3, 192, 160, 96), 5),
        nn.MaxPool2d(3, 2, 1),
        nn.Dropout(0.5),
        *block((96, 192, 192, 192), 5),
        nn.AvgPool2d(3, 2, 1),
        nn.Dropout(0.5),
        *block((192, 192, 192, num_classes), 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return network


def plain_cnn(num_classes: int) -> nn.Sequential:
    """Four convolutions with pooling between, global pooling and one linear layer."""
    return nn.Sequential(
        _conv_norm_relu(3, 16),
        nn.MaxPool2d(2),
        _conv_norm_relu(16, 32),
        nn.MaxPool2d(2),
        _conv_norm_relu(32, 64),
        nn.MaxPool2d(2),
        _conv_norm_relu(64, 64),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, num_classes),
    )


ARCHITECTURES: dict[str, Callable[[int], nn.Module]] = {
    "signs_resnet": signs_resnet,
    "network_in_network": network_in_network,
    "plain_cnn": plain_cnn,
}


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
        return ARCHITECTURES[architecture](num_classes)
    check_architecture(architecture)
    library, _, name = architecture.rpartition("/")
    if library == "timm":
        return _from_timm(name, num_classes)
    return _from_torchvision(name, num_classes, auxiliary_heads)


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
        _check_timm(name)
        return
    if library == "torchvision" or architecture in TROJAI_ARCHITECTURES:
        _check_torchvision(name)
        return
    known = ", ".join((*ARCHITECTURES, *TROJAI_ARCHITECTURES))
    raise ValueError(
        f"architecture {architecture!r} is not known; known: {known}, torchvision/NAME, timm/NAME; "
        "for any other network give dataset.factory=FILE.py:function"
    )


def _from_torchvision(name: str, num_classes: int, auxiliary_heads: bool) -> nn.Module:
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


def _check_torchvision(name: str) -> None:
    models = importlib.import_module("torchvision.models")
    names: list[str] = models.list_models(module=models)
    if name not in names:
        raise ValueError(f"torchvision has no classifier {name!r}; it has: {', '.join(names)}")


def _from_timm(name: str, num_classes: int) -> nn.Module:
    """A network of timm, without pretrained weights."""
    timm = importlib.import_module("timm")
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=num_classes)
    return network


def _check_timm(name: str) -> None:
    try:
        timm = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"architecture 'timm/{name}' needs timm, which is not installed: "
            "pip install 'exray[timm]'"
        ) from error
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=10, cutoff=0.4)
        like = ", ".join(near) or "none; timm.list_models() lists all"
        raise ValueError(f"timm has no network {name!r}; like it: {like}")
