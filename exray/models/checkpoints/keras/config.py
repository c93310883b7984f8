"""Keras' description of a network, read as a chain of known layers; nothing in it is called."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from exray.models.checkpoints.keras.weights import KerasError
from exray.text import shown

Values = Mapping[str, object]
_MAX_LAYERS = 2_000


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """One layer as Keras describes it.

    Args:
        kind: Its class, ``Conv2D``.
        name: Its own name.
        values: Its settings; read through the methods, which refuse what is no such thing.
    """

    kind: str
    name: str
    values: Values

    def pair(self, key: str, default: int | None = None) -> tuple[int, int]:
        """Two counts from 1 to 512; one stands for both."""
        value = self.values.get(key)
        value = default if value is None else value
        sources = [value, value] if isinstance(value, int) else value
        match sources:
            case [int(rows), int(columns)] if 1 <= rows <= 512 and 1 <= columns <= 512:
                return rows, columns
        raise self.refused(key)

    def number(self, key: str, default: float) -> float:
        """A finite number."""
        value = self.values.get(key, default)
        if isinstance(value, dict):  # Keras 3 writes an array for LeakyReLU's slope
            value = cast("Values", value.get("config") or {}).get("value")
        if isinstance(value, int | float) and abs(value) < 1e6:
            return float(value)
        raise self.refused(key)

    def word(self, key: str, default: str) -> str:
        """A text."""
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        raise self.refused(key)

    def flag(self, key: str) -> bool:
        """Whether a setting is on; a missing one is."""
        return self.values.get(key) is not False

    def padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows above and below, columns left and right; each of them up to 64."""
        match self.values.get("padding"):
            case [[int(top), int(bottom)], [int(left), int(right)]]:
                pass
            case [int(top), int(left)]:
                bottom, right = top, left
            case _:
                raise self.refused("padding")
        if not all(0 <= entry <= 64 for entry in (top, bottom, left, right)):
            raise self.refused("padding")
        return (top, bottom), (left, right)

    def refused(self, key: str) -> KerasError:
        """The error for a setting that exray does not know."""
        value = shown(str(self.values.get(key)), 40)
        return KerasError(f"has {key}={value} in the layer {shown(self.name)} ({self.kind})")


def chain_of(config: str) -> list[LayerConfig]:
    """The layers of a network that is one chain, in order, without its input.

    Args:
        config: What ``model.to_json`` gives, of Keras 2 or 3.

    Raises:
        KerasError: If it is no chain of layers, or none of Keras'.

    Example:
        >>> flatten = '{"class_name": "Flatten", "config": {}}'
        >>> chain_of(f'{{"class_name": "Sequential", "config": [{flatten}]}}')[0].kind
        'Flatten'
    """
    try:
        description = _mapping(json.loads(config))
    except (ValueError, RecursionError) as error:
        raise KerasError("describes its network in no JSON") from error
    kind, inner = description.get("class_name"), description.get("config")
    if kind == "Sequential":
        listed = inner if isinstance(inner, list) else _mapping(inner).get("layers")
        layers = _entries(listed)
    elif kind in ("Model", "Functional"):
        layers = _in_line(_entries(_mapping(inner).get("layers")))
    else:
        raise KerasError(f"describes a {shown(str(kind), 40)}, not a plain chain of layers")
    return [_layer(entry, place) for place, entry in enumerate(layers)]


def input_shape(config: str) -> tuple[int | None, int | None]:
    """Rows and columns of the images that the network was made for; None where any will do.

    Args:
        config: As :func:`chain_of` takes it.

    Raises:
        KerasError: If the network takes no images, or has its channels first.
    """
    inner = _mapping(json.loads(config)).get("config")
    listed = inner if isinstance(inner, list) else _mapping(inner).get("layers")
    first = _mapping(_mapping(_entries(listed)[0]).get("config"))
    shape = first.get("batch_input_shape") or first.get("batch_shape")
    if shape is None and isinstance(inner, dict):
        shape = inner.get("build_input_shape")
    match shape:
        case None:
            return None, None
        case [_, (int() | None) as rows, (int() | None) as columns, 1 | 3 | None]:
            return rows, columns
    raise KerasError(f"takes {shown(str(shape), 40)}, not images with their channels last")


def _layer(entry: Values, place: int) -> LayerConfig:
    values = _mapping(entry.get("config"))
    name = values.get("name")
    return LayerConfig(
        kind=shown(str(entry.get("class_name")), 40),
        name=name if isinstance(name, str) else f"layer_{place}",
        values=values,
    )


def _entries(listed: object) -> list[Values]:
    if not isinstance(listed, list) or not 0 < len(listed) <= _MAX_LAYERS:
        raise KerasError("describes no list of layers")
    return [_mapping(entry) for entry in listed]


def _mapping(value: object) -> Values:
    if not isinstance(value, dict):
        raise KerasError("describes its network in no way of Keras'")
    return value


def _in_line(layers: Sequence[Values]) -> list[Values]:
    """The layers from the input on, each fed by the one before."""
    by_name = {str(entry.get("name")): entry for entry in layers}
    readers: dict[str, list[str]] = {name: [] for name in by_name}
    starts = []
    for name, entry in by_name.items():
        sources = _sources(entry.get("inbound_nodes"))
        starts += [name] if not sources else []
        if len(sources) > 1 or any(source not in readers for source in sources):
            raise KerasError(f"is no plain chain: {shown(name)} has {len(sources)} inputs")
        for source in sources:
            readers[source].append(name)
    for name, fed in readers.items():
        if len(fed) > 1:
            raise KerasError(f"is no plain chain: {len(fed)} layers read {shown(name)}")
    if len(starts) != 1:
        raise KerasError(f"is no plain chain: it has {len(starts)} inputs")
    line = [starts[0]]
    while readers[line[-1]] and len(line) <= len(by_name):
        line += readers[line[-1]]
    if len(line) != len(by_name):
        raise KerasError("is no plain chain: layers lie outside it")
    return [by_name[name] for name in line]


def _sources(nodes: object) -> list[str]:
    """Names of the layers that feed a layer, in Keras 2's or Keras 3's words."""
    if not isinstance(nodes, list):
        raise KerasError("describes its network in no way of Keras'")
    sources: list[str] = []
    for node in nodes:
        match node:
            case {"args": list(arguments)}:
                sources += [_history(entry) for entry in arguments]
            case list(tensors):
                sources += [
                    str(entry[0]) if isinstance(entry, list) and entry else "" for entry in tensors
                ]
            case _:
                raise KerasError("describes its network in no way of Keras'")
    return sources


def _history(argument: object) -> str:
    match argument:
        case {"config": {"keras_history": [str(name), *_]}}:
            return name
    return ""
