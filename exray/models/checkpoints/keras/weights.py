"""Keras' weights, channels last, as PyTorch keeps them, and fitted to a network by their order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor, nn

from exray.models.checkpoints.keras.hdf5 import KerasLayer
from exray.text import shown

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_NORM_HERE = ("weight", "bias", "running_mean", "running_var")
_KERNELS = ("kernel", "depthwise_kernel", "0")


class KerasError(ValueError):
    """Weights or a description that exray does not read; the text is a clause."""


class Kind(StrEnum):
    """What a layer with weights is."""

    CONVOLUTION = "convolutions"
    LINEAR = "linear layers"
    NORM = "batch normalisations"


@dataclass(frozen=True, kw_only=True)
class ConvertedWeights:
    """A layer's weights in PyTorch's layout.

    Args:
        name: Keras' name of it.
        kind: What it is.
        values: Weights by PyTorch's names of them.
    """

    name: str
    kind: Kind
    values: dict[str, Tensor]


def converted(layer: KerasLayer) -> ConvertedWeights | None:
    """One layer in PyTorch's layout; None where it has no weights.

    A convolution's kernel goes from rows, columns, inputs, outputs to outputs, inputs, rows,
    columns, a dense layer's from inputs, outputs to outputs, inputs. What a flattened feature map
    feeds keeps Keras' order, until :func:`after_flatten` changes it.

    Args:
        layer: As the file has it.

    Raises:
        KerasError: If its weights are those of no layer that exray reads.

    Example:
        >>> kernel = torch.zeros(3, 2, 4, 5)
        >>> converted(KerasLayer(name="c", weights={"kernel": kernel})).values["weight"].shape
        torch.Size([5, 4, 3, 2])

    Source: Keras' documentation of Conv2D, DepthwiseConv2D, Dense and BatchNormalization.
    """
    weights = {name: value.float() for name, value in layer.weights.items()}
    if not weights:
        return None
    names = set(weights)
    is_norm = all(value.dim() == 1 for value in weights.values())
    if is_norm and (names <= set(_NORM) or len(names) == len(_NORM)):
        return ConvertedWeights(name=layer.name, kind=Kind.NORM, values=_norm(layer.name, weights))
    kernel = next((weights[name] for name in _KERNELS if name in weights), None)
    if kernel is None or kernel.dim() not in (2, 4) or len(names) > 2:
        raise _unknown(layer)
    rest = [value for value in weights.values() if value is not kernel]
    if kernel.dim() == 2:
        kind, weight = Kind.LINEAR, kernel.T
    elif "depthwise_kernel" in names or layer.name.startswith("depthwise_conv2d"):
        kind, weight = Kind.CONVOLUTION, kernel.permute(2, 3, 0, 1).flatten(0, 1).unsqueeze(1)
    else:
        kind, weight = Kind.CONVOLUTION, kernel.permute(3, 2, 0, 1)
    if any(value.shape != weight.shape[:1] for value in rest):
        raise _unknown(layer)
    values = {"weight": weight.contiguous()} | ({"bias": rest[0]} if rest else {})
    return ConvertedWeights(name=layer.name, kind=kind, values=values)


def after_flatten(layer: ConvertedWeights, channels: int) -> ConvertedWeights:
    """A layer behind a flattened feature map, whose inputs come in PyTorch's order.

    Keras flattens rows, columns, channels; PyTorch channels, rows, columns.

    Args:
        layer: A linear layer, or a batch normalisation of the flattened features.
        channels: Of the feature map; they divide the layer's inputs.

    Example:
        >>> linear = ConvertedWeights(
        ...     name="d", kind=Kind.LINEAR, values={"weight": torch.tensor([[1.0, 2, 3, 4]])}
        ... )
        >>> after_flatten(linear, 2).values["weight"]  # two pixels of two channels
        tensor([[1., 3., 2., 4.]])
    """
    norm = layer.kind is Kind.NORM
    values = {
        key: value.reshape(*value.shape[:-1], -1, channels).transpose(-1, -2).flatten(-2)
        if norm or key == "weight"
        else value
        for key, value in layer.values.items()
    }
    return replace(layer, values=values)


def all_converted(layers: Sequence[KerasLayer]) -> tuple[ConvertedWeights, ...]:
    """The layers with weights in PyTorch's layout, where the file does not describe the network.

    Layers that the file keeps by name are sorted as Keras numbers them. If the first linear layer
    takes more features than the last convolution has channels, a flattened feature map feeds it,
    and its inputs are reordered; so are a batch normalisation's of as many features.

    Args:
        layers: As the file has them.

    Raises:
        KerasError: If a layer's weights are those of no layer that exray reads.
    """
    in_order = sorted(layers, key=_number) if _are_numbered(layers) else layers
    read = [weights for layer in in_order if (weights := converted(layer)) is not None]
    channels = [len(one.values["weight"]) for one in read if one.kind is Kind.CONVOLUTION]
    linear = next((one for one in read if one.kind is Kind.LINEAR), None)
    if linear is None or not channels:
        return tuple(read)
    features = linear.values["weight"].shape[1]
    if features == channels[-1] or features % channels[-1]:
        return tuple(read)
    return tuple(
        after_flatten(one, channels[-1])
        if one is linear
        or (one.kind is Kind.NORM and len(one.values["weight"]) == features not in channels)
        else one
        for one in read
    )


def fitted(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights under a network's own names, layer by layer of each kind in order.

    Args:
        state: By names that mean nothing to the network, a layer's together.
        network: Has as many convolutions, linear layers and batch normalisations.

    Raises:
        KerasError: If it has not.

    Example:
        >>> list(fitted({"conv2d.weight": torch.zeros(5, 4, 3, 3)}, nn.Sequential(
        ...     nn.ReLU(), nn.Conv2d(4, 5, 3))))
        ['1.weight']
    """
    stored: dict[Kind, list[dict[str, Tensor]]] = {kind: [] for kind in Kind}
    layers: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        layer, _, name = key.rpartition(".")
        layers.setdefault(layer, {})[name] = value
    for values in layers.values():
        stored[_kind(values)].append(values)
    own: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for path, module in network.named_modules():
        for kind, types in _MODULES.items():
            if isinstance(module, types):
                own[kind].append(path)
    for kind in Kind:
        if len(own[kind]) != len(stored[kind]):
            raise KerasError(
                f"has {len(stored[kind])} {kind}, but the network has {len(own[kind])}"
            )
    return {
        f"{path}.{name}" if path else name: value
        for kind in Kind
        for path, values in zip(own[kind], stored[kind], strict=True)
        for name, value in values.items()
    }


_MODULES: Mapping[Kind, tuple[type[nn.Module], ...]] = {
    Kind.CONVOLUTION: (nn.Conv2d,),
    Kind.LINEAR: (nn.Linear,),
    Kind.NORM: (nn.BatchNorm1d, nn.BatchNorm2d),
}


def _kind(values: Mapping[str, Tensor]) -> Kind:
    if "running_mean" in values:
        return Kind.NORM
    return Kind.CONVOLUTION if values["weight"].dim() == 4 else Kind.LINEAR


def _norm(name: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scale, shift, mean and variance; a scale or shift that Keras left out is added."""
    known = dict(weights)
    if not set(known) <= set(_NORM):
        known = dict(zip(_NORM, weights.values(), strict=True))
    if {"moving_mean", "moving_variance"} - set(known):
        raise KerasError(f"holds a batch normalisation {shown(name)} without mean and variance")
    mean = known["moving_mean"]
    if any(value.shape != mean.shape for value in known.values()):
        raise KerasError(f"holds a batch normalisation {shown(name)} of several lengths")
    known = {"gamma": torch.ones_like(mean), "beta": torch.zeros_like(mean), **known}
    return {here: known[there] for here, there in zip(_NORM_HERE, _NORM, strict=True)}


def _are_numbered(layers: Sequence[KerasLayer]) -> bool:
    return any("0" in layer.weights for layer in layers)


def _number(layer: KerasLayer) -> tuple[str, int]:
    """Where a layer comes among those of its class: conv2d, conv2d_1, ..., conv2d_10."""
    match = re.fullmatch(r"(.*?)(?:_([0-9]{1,9}))?", layer.name, re.DOTALL)
    assert match is not None, layer.name
    return match[1], int(match[2] or 0)


def _unknown(layer: KerasLayer) -> KerasError:
    sides = ", ".join(
        f"{shown(name)} {'x'.join(map(str, value.shape))}"
        for name, value in list(layer.weights.items())[:4]
    )
    return KerasError(f"holds a layer {shown(layer.name)} that exray does not read ({sides})")
