"""The layers that a whole pickled network may be made of, under their names of any year."""

import importlib
from collections.abc import Iterable

from torch import nn

_TORCH = {
    "activation": (
        "ReLU", "ReLU6", "LeakyReLU", "GELU", "SiLU", "Sigmoid", "Tanh", "Softmax", "LogSoftmax",
        "Hardswish", "Hardsigmoid",
    ),
    "batchnorm": ("BatchNorm1d", "BatchNorm2d"),
    "container": ("Sequential",),
    "conv": ("Conv2d",),
    "dropout": ("Dropout", "Dropout2d"),
    "flatten": ("Flatten",),
    "linear": ("Identity", "Linear"),
    "pooling": ("AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d"),
}  # fmt: skip
_TORCHVISION = {
    "models.resnet": ("ResNet", "BasicBlock", "Bottleneck"),
    "models.densenet": ("DenseNet", "_DenseBlock", "_DenseLayer", "_Transition"),
    "models.googlenet": ("GoogLeNet", "Inception", "InceptionAux", "BasicConv2d"),
    "models.inception": (
        "Inception3", "InceptionA", "InceptionB", "InceptionC", "InceptionD", "InceptionE",
        "InceptionAux", "BasicConv2d",
    ),
    "models.squeezenet": ("SqueezeNet", "Fire"),
    "models.shufflenetv2": ("ShuffleNetV2", "InvertedResidual"),
    "models.vgg": ("VGG",),
    "models.mobilenetv2": ("MobileNetV2", "InvertedResidual"),
    "ops.misc": ("Conv2dNormActivation",),
}  # fmt: skip
# Classes under their earlier names; torchvision moved MobileNetV2 in 0.9.
_FORMER = {
    "torchvision.models.mobilenet.MobileNetV2": "torchvision.models.mobilenetv2.MobileNetV2",
    "torchvision.models.mobilenet.InvertedResidual":
        "torchvision.models.mobilenetv2.InvertedResidual",
    "torchvision.models.mobilenet.ConvBNReLU": "torch.nn.modules.container.Sequential",
    "torchvision.models.mobilenet.ConvBNActivation": "torch.nn.modules.container.Sequential",
    "torchvision.models.mobilenetv2.ConvBNReLU": "torch.nn.modules.container.Sequential",
    "torchvision.models.mobilenetv2.ConvBNActivation": "torch.nn.modules.container.Sequential",
    "torchvision.ops.misc.ConvNormActivation": "torch.nn.modules.container.Sequential",
}  # fmt: skip
LAYERS: dict[str, str] = {
    **{f"torch.nn.modules.{m}.{n}": f"torch.nn.modules.{m}.{n}" for m in _TORCH for n in _TORCH[m]},
    **{f"torchvision.{m}.{n}": f"torchvision.{m}.{n}" for m in _TORCHVISION
       for n in _TORCHVISION[m]},
    **_FORMER,
}  # fmt: skip
"""Every name that a pickle may call a layer by, with the class's name of today."""


class MissingTorchvisionError(ValueError):
    """A file names classes of torchvision, which is not installed or cannot be imported."""


def is_layer(path: str) -> bool:
    """Whether a name is a layer on the list.

    Example:
        >>> is_layer("torchvision.models.mobilenet.ConvBNReLU"), is_layer("torch.nn.LSTM")
        (True, False)
    """
    return path in LAYERS


def layer_classes(paths: Iterable[str]) -> dict[str, type[nn.Module]]:
    """The classes behind names on the list; torchvision is imported only if one is torchvision's.

    Args:
        paths: Any names; those that are not on the list are passed over.

    Raises:
        MissingTorchvisionError: If a class of torchvision cannot be imported.

    Example:
        >>> layer_classes(["os.system", "torch.nn.modules.linear.Linear"])
        {'torch.nn.modules.linear.Linear': <class 'torch.nn.modules.linear.Linear'>}
    """
    return {path: _imported(LAYERS[path]) for path in paths if path in LAYERS}


def _imported(path: str) -> type[nn.Module]:
    module, _, name = path.rpartition(".")
    try:
        # Not "from torchvision.models import googlenet", which is a function.
        layer: type[nn.Module] = vars(importlib.import_module(module))[name]
    except (ImportError, KeyError, RuntimeError) as error:
        raise MissingTorchvisionError(f"{path} ({error})") from error
    return layer
