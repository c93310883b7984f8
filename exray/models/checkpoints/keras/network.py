"""A plain network that Keras described, built of PyTorch's layers, with its weights."""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import no_type_check

from jaxtyping import Float
from torch import Tensor, nn

from exray.models.checkpoints.keras.config import LayerConfig, chain_of, input_shape
from exray.models.checkpoints.keras.hdf5 import KerasFile
from exray.models.checkpoints.keras.weights import (
    ConvertedWeights,
    KerasError,
    Kind,
    after_flatten,
    converted,
)
from exray.text import shown

_ACTIVATIONS: Mapping[str, Callable[[], nn.Module | None]] = {
    "linear": lambda: None, "relu": nn.ReLU, "relu6": nn.ReLU6, "elu": nn.ELU, "selu": nn.SELU,
    "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "softplus": nn.Softplus, "softsign": nn.Softsign,
    "gelu": nn.GELU, "swish": nn.SiLU, "silu": nn.SiLU, "softmax": lambda: nn.Softmax(dim=1),
}  # fmt: skip
_NOT_IN_PREDICTION = (
    "InputLayer", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout",
    "ActivityRegularization", "AlphaDropout",
)  # fmt: skip


class Rescale(nn.Module):
    """Keras' ``Rescaling``: ``scale * x + offset``.

    Args:
        scale: Factor.
        offset: What is added.
    """

    def __init__(self, scale: float, offset: float) -> None:
        super().__init__()
        self.scale = scale
        self.offset = offset

    @no_type_check  # torch.fx traces it with a stand-in that is no tensor
    def forward(self, x: Float[Tensor, "n *sides"]) -> Float[Tensor, "n *sides"]:
        """Rescaled values."""
        return x * self.scale + self.offset


def keras_network(file: KerasFile) -> nn.Sequential:
    """The network that a file describes, if it is a chain of plain layers; in eval mode.

    Layers have Keras' names. It takes images with their channels first, as all networks here: the
    weights are transposed, and those behind a flattened feature map reordered.

    Args:
        file: With Keras' description.

    Raises:
        KerasError: If there is none, it is no chain, or it has a layer or a setting that exray
            does not build.
    """
    if not file.config:
        raise KerasError("holds weights without a description of their network")
    layers = chain_of(file.config)
    builder = _Builder(file)
    for layer in layers:
        builder.add(layer)
    return builder.network()


class _Builder:
    """Layers so far, with the shape of what leaves the last one."""

    def __init__(self, file: KerasFile) -> None:
        self.parts: OrderedDict[str, nn.Module] = OrderedDict()
        self.weights = {layer.name: layer for layer in file.layers}
        self.sides: tuple[int | None, int | None] = input_shape(file.config)
        self.channels = 3
        self.is_flat = False
        self.reorder = 0  # channels of the flattened map whose order is still Keras'

    def network(self) -> nn.Sequential:
        if self.reorder:
            raise KerasError("ends with a flattened feature map")
        return nn.Sequential(self.parts).eval().requires_grad_(False)

    def add(self, layer: LayerConfig) -> None:
        if layer.kind in _NOT_IN_PREDICTION:
            return
        if layer.word("data_format", "channels_last") != "channels_last":
            raise layer.refused("data_format")
        if layer.kind == "Lambda":
            raise KerasError(f"has a Lambda layer, {shown(layer.name)}, which is code")
        if layer.kind not in _LAYERS:
            raise KerasError(
                f"has a layer {shown(layer.name)} of the class {layer.kind}, which exray does not "
                f"build; it builds: {', '.join(_LAYERS)}"
            )
        _LAYERS[layer.kind](self, layer)
        if "activation" in layer.values and layer.kind != "Activation":
            self.activation(layer)

    def part(self, name: str, module: nn.Module) -> None:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
        if not plain or plain in self.parts or plain in dir(nn.Sequential):
            plain = f"{plain}_{len(self.parts)}"
        self.parts[plain] = module

    def weights_of(self, layer: LayerConfig, kind: Kind) -> ConvertedWeights:
        weights = converted(self.weights[layer.name]) if layer.name in self.weights else None
        if weights is None or weights.kind is not kind:
            raise KerasError(f"holds no weights that fit its layer {shown(layer.name)}")
        return weights

    def convolution(self, layer: LayerConfig) -> None:
        weights = self.weights_of(layer, Kind.CONVOLUTION)
        weight = weights.values["weight"]
        depthwise = layer.kind == "DepthwiseConv2D"
        groups = self.channels if depthwise else int(layer.number("groups", 1.0))
        kernel, stride = layer.pair("kernel_size"), layer.pair("strides", 1)
        dilation = layer.pair("dilation_rate", 1)
        if self.is_flat or groups < 1 or tuple(weight.shape[2:]) != kernel:
            raise layer.refused("kernel_size")
        if len(weight) % groups:
            raise layer.refused("groups")
        padding = self.padded(layer, kernel, stride, dilation, 0.0)
        module = nn.Conv2d(
            weight.shape[1] * groups, len(weight), kernel, stride, padding, dilation, groups,
            bias="bias" in weights.values,
        )  # fmt: skip
        self.part(layer.name, _filled(module, weights))
        self.channels = len(weight)

    def linear(self, layer: LayerConfig) -> None:
        weights = self.reordered(self.weights_of(layer, Kind.LINEAR), layer)
        self.reorder = 0
        outputs, inputs = weights.values["weight"].shape
        if not self.is_flat:
            raise KerasError(f"applies a dense layer {shown(layer.name)} at every pixel")
        module = nn.Linear(inputs, outputs, bias="bias" in weights.values)
        self.part(layer.name, _filled(module, weights))
        self.channels = outputs

    def norm(self, layer: LayerConfig) -> None:
        axis = layer.values.get("axis", -1)
        last = 1 if self.is_flat else 3
        if axis not in (-1, [-1], last, [last]):
            raise layer.refused("axis")
        weights = self.reordered(self.weights_of(layer, Kind.NORM), layer)
        kind = nn.BatchNorm1d if self.is_flat else nn.BatchNorm2d
        module = kind(len(weights.values["weight"]), eps=layer.number("epsilon", 1e-3))
        self.part(layer.name, _filled(module, weights))

    def reordered(self, weights: ConvertedWeights, layer: LayerConfig) -> ConvertedWeights:
        """The same weights, or those for PyTorch's order behind a flattened feature map."""
        if not self.reorder:
            return weights
        if weights.values["weight"].shape[-1] % self.reorder:
            raise KerasError(
                f"has weights in {shown(layer.name)} that the feature map does not fit"
            )
        return after_flatten(weights, self.reorder)

    def flatten(self, layer: LayerConfig) -> None:
        if not self.is_flat:
            self.part(layer.name, nn.Flatten())
            self.reorder = 0 if self.sides == (1, 1) else self.channels
            self.is_flat = True

    def max_pool(self, layer: LayerConfig) -> None:
        size = layer.pair("pool_size", 2)
        stride = layer.pair("strides") if layer.values.get("strides") else size
        padding = self.padded(layer, size, stride, (1, 1), float("-inf"))
        self.part(layer.name, nn.MaxPool2d(size, stride, padding))

    def average_pool(self, layer: LayerConfig) -> None:
        size = layer.pair("pool_size", 2)
        stride = layer.pair("strides") if layer.values.get("strides") else size
        padding = self.padded(layer, size, stride, (1, 1), None)
        self.part(layer.name, nn.AvgPool2d(size, stride, padding, count_include_pad=False))

    def global_pool(self, layer: LayerConfig) -> None:
        kind = nn.AdaptiveAvgPool2d if "Average" in layer.kind else nn.AdaptiveMaxPool2d
        self.part(layer.name, kind(1))
        self.sides = (1, 1)
        if layer.values.get("keepdims") is not True:
            self.part(f"{layer.name}_flat", nn.Flatten())
            self.is_flat = True

    def zero_padding(self, layer: LayerConfig) -> None:
        rows, columns = layer.padding()
        self.part(layer.name, nn.ZeroPad2d((*columns, *rows)))
        self.sides = _grown(self.sides[0], sum(rows)), _grown(self.sides[1], sum(columns))

    def activation(self, layer: LayerConfig) -> None:
        word = layer.word("activation", "linear")
        if word not in _ACTIVATIONS:
            raise layer.refused("activation")
        module = _ACTIVATIONS[word]()
        if word == "softmax" and (not self.is_flat or self.reorder):
            raise layer.refused("activation")
        if module is not None:
            own = layer.kind == "Activation"
            self.part(layer.name if own else f"{layer.name}_{word}", module)

    def softmax(self, layer: LayerConfig) -> None:
        if layer.values.get("axis", -1) not in (-1, 1) or not self.is_flat:
            raise layer.refused("axis")
        self.part(layer.name, nn.Softmax(dim=1))

    def relu(self, layer: LayerConfig) -> None:
        most, slope = layer.values.get("max_value"), layer.number("negative_slope", 0.0)
        if layer.number("threshold", 0.0) != 0 or (slope and most is not None):
            raise layer.refused("threshold")
        if most is not None:
            self.part(layer.name, nn.Hardtanh(0.0, layer.number("max_value", 6.0)))
        else:
            self.part(layer.name, nn.LeakyReLU(slope) if slope else nn.ReLU())

    def leaky_relu(self, layer: LayerConfig) -> None:
        key = "negative_slope" if "negative_slope" in layer.values else "alpha"
        self.part(layer.name, nn.LeakyReLU(layer.number(key, 0.3)))

    def elu(self, layer: LayerConfig) -> None:
        self.part(layer.name, nn.ELU(layer.number("alpha", 1.0)))

    def rescaling(self, layer: LayerConfig) -> None:
        module = Rescale(layer.number("scale", 1.0), layer.number("offset", 0.0))
        self.part(layer.name, module)

    def padded(
        self,
        layer: LayerConfig,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        value: float | None,
    ) -> tuple[int, int]:
        """What a window's layer pads by itself; an uneven border becomes a part of its own."""
        word = layer.word("padding", "valid")
        if word not in ("valid", "same"):
            raise layer.refused("padding")
        spans = [(side - 1) * step + 1 for side, step in zip(kernel, dilation, strict=True)]
        borders = []
        for axis in range(2):
            side = self.sides[axis]
            borders.append(
                _border(side, spans[axis], stride[axis], layer) if word == "same" else (0, 0)
            )
        self.sides = (
            _windows(self.sides[0], borders[0], spans[0], stride[0]),
            _windows(self.sides[1], borders[1], spans[1], stride[1]),
        )
        (top, bottom), (left, right) = borders
        fits = value == 0 or (2 * top <= kernel[0] and 2 * left <= kernel[1])
        if top == bottom and left == right and fits:
            return top, left
        if value is None:
            raise layer.refused("padding")
        self.part(f"{layer.name}_pad", nn.ConstantPad2d((left, right, top, bottom), value))
        return 0, 0


def _border(side: int | None, span: int, stride: int, layer: LayerConfig) -> tuple[int, int]:
    """What Keras' ``same`` adds before and after, the odd one after."""
    if stride == 1:
        total = span - 1
    elif side is None:
        raise KerasError(f"needs a fixed size of images for its layer {shown(layer.name)}")
    else:
        total = max((-(-side // stride) - 1) * stride + span - side, 0)
    return total // 2, total - total // 2


def _windows(side: int | None, border: tuple[int, int], span: int, stride: int) -> int | None:
    return None if side is None else (side + sum(border) - span) // stride + 1


def _grown(side: int | None, more: int) -> int | None:
    return None if side is None else side + more


def _filled(module: nn.Module, layer: ConvertedWeights) -> nn.Module:
    """A module with a layer's weights."""
    own: dict[str, Tensor] = module.state_dict()
    for key, value in layer.values.items():
        if key not in own or own[key].shape != value.shape:
            raise KerasError(f"holds no weights that fit its layer {shown(layer.name)}")
    module.load_state_dict({**own, **layer.values})
    return module


_LAYERS: Mapping[str, Callable[[_Builder, LayerConfig], None]] = {
    "Conv2D": _Builder.convolution,
    "DepthwiseConv2D": _Builder.convolution,
    "Dense": _Builder.linear,
    "BatchNormalization": _Builder.norm,
    "Flatten": _Builder.flatten,
    "MaxPooling2D": _Builder.max_pool,
    "AveragePooling2D": _Builder.average_pool,
    "GlobalAveragePooling2D": _Builder.global_pool,
    "GlobalMaxPooling2D": _Builder.global_pool,
    "ZeroPadding2D": _Builder.zero_padding,
    "Activation": _Builder.activation,
    "Softmax": _Builder.softmax,
    "ReLU": _Builder.relu,
    "LeakyReLU": _Builder.leaky_relu,
    "ELU": _Builder.elu,
    "Rescaling": _Builder.rescaling,
}
