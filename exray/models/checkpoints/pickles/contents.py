"""What a followed pickle holds, as plain values: tensors not yet read, networks not yet built."""

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from exray.models.checkpoints.pickles.names import NameKind, kind_of
from exray.models.checkpoints.pickles.policy import (
    storage_kind,
    tensor_bytes,
    tensor_dtype,
    tensor_layout,
)
from exray.models.checkpoints.pickles.storages import FileStorages
from exray.models.checkpoints.pickles.values import BrokenPickleError, Call, GlobalName, StorageRef
from exray.text import shown

_MAX_DEPTH = 100  # of values inside values; the networks have at most 40
_NUMPY = {
    "f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "i1": torch.int8,
    "i2": torch.int16, "i4": torch.int32, "i8": torch.int64, "u1": torch.uint8, "b1": torch.bool,
}  # fmt: skip
_TENSORS = tuple(f"torch._utils._rebuild_{kind}" for kind in ("tensor", "tensor_v2", "tensor_v3"))
_PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredTensor:
    """A tensor that a file holds, not yet read.

    Args:
        shape: Its sides.
        dtype: What its numbers are.
        problem: Why nothing can be computed with it, as ``sparse``; empty if something can.
        storage: Where its numbers are; None where they are in ``data``.
        offset: Of its first number in the storage.
        stride: Of its sides in the storage.
        data: Its numbers, row by row, of an array of numpy.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    problem: str = ""
    storage: StorageRef | None = None
    offset: int = 0
    stride: tuple[int, ...] = ()
    data: bytes = b""

    def read(self, storages: FileStorages) -> Tensor:
        """The tensor, in memory that it shares with others of its storage.

        Args:
            storages: The file's.
        """
        if self.storage is None:
            if not self.data:
                return torch.empty(self.shape, dtype=self.dtype)
            return torch.frombuffer(bytearray(self.data), dtype=self.dtype).reshape(self.shape)
        empty = torch.empty(0, dtype=self.dtype)
        return empty.set_(storages.read(self.storage), self.offset, self.shape, self.stride)


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredObject:
    """An instance that a file describes and nobody makes.

    Args:
        path: Its class, or the function that would make it.
        parts: Its attributes, or what it holds under keys or in order.
    """

    path: str
    parts: dict[object, object] = field(default_factory=dict)

    @property
    def is_network(self) -> bool:
        """Whether it has what every ``nn.Module`` has."""
        return isinstance(self.parts.get("_modules"), Mapping) and isinstance(
            self.parts.get("_parameters"), Mapping
        )


def contents(value: object) -> object:
    """A pickle's value with stored tensors, and objects where it would make instances.

    Dictionaries of any class become ``dict``, and arrays of numpy stored tensors; a network's
    parameters are stored tensors too. What appears twice is one object twice.

    Args:
        value: What :func:`exray.models.checkpoints.pickles.interpreter.follow` found; its calls
            have been checked.

    Raises:
        BrokenPickleError: If values lie inside values without end, or a tensor is none.

    Example:
        >>> namespace = Call(GlobalName("argparse.Namespace"), (), is_new=True, state=[{"lr": 1}])
        >>> contents({"args": namespace})["args"].parts
        {'lr': 1}
    """
    return _Reader().read(value, 0)


class _Reader:
    """Turns values into contents, each once."""

    def __init__(self) -> None:
        self.made: dict[int, object] = {}
        self.kept: list[object] = []  # so that no id is given twice

    def read(self, value: object, depth: int) -> object:
        if depth > _MAX_DEPTH:
            raise BrokenPickleError(f"holds values inside values, more than {_MAX_DEPTH} deep")
        if isinstance(value, GlobalName):
            return _named(value.path)
        if not isinstance(value, dict | list | tuple | Call):
            return value
        if id(value) not in self.made:
            self.kept.append(value)
            self._make(value, depth + 1)
        return self.made[id(value)]

    def _make(self, value: object, depth: int) -> None:
        if isinstance(value, dict):
            mapping: dict[object, object] = {}
            self.made[id(value)] = mapping  # before its values, which may hold it
            mapping.update((key, self.read(inner, depth)) for key, inner in value.items())
        elif isinstance(value, list):
            items: list[object] = []
            self.made[id(value)] = items
            items.extend(self.read(inner, depth) for inner in value)
        elif isinstance(value, tuple):
            self.made[id(value)] = tuple(self.read(inner, depth) for inner in value)
        else:
            assert isinstance(value, Call), value
            self._make_call(value, depth)

    def _make_call(self, call: Call, depth: int) -> None:
        path = call.callee.path if isinstance(call.callee, GlobalName) else ""
        if path == "torch._tensor._rebuild_from_type_v2":
            self.made[id(call)] = self._of_subclass(call, depth)
        elif path in _PARAMETERS:
            self.made[id(call)] = self.read(_first(call), depth)
        elif path in _LEAVES:
            self.made[id(call)] = _LEAVES[path](call)
        elif call.items or path == "collections.OrderedDict":
            mapping: OrderedDict[object, object] = OrderedDict()
            self.made[id(call)] = mapping
            pairs = {**_listed_pairs(call), **call.items}
            mapping.update((key, self.read(inner, depth)) for key, inner in pairs.items())
        else:
            parts: dict[object, object] = {}
            self.made[id(call)] = StoredObject(path=_class_of(call, path), parts=parts)
            for key, inner in _attributes(call).items():
                parts[key] = self.read(inner, depth)

    def _of_subclass(self, call: Call, depth: int) -> object:
        """A tensor of a class of its own, or with attributes: the tensor."""
        match call.arguments:
            case (GlobalName() as function, _, tuple() as arguments, _):
                return self.read(self._keep(Call(function, arguments, is_new=False)), depth)
        return StoredObject(path="torch.Tensor")

    def _keep(self, call: Call) -> Call:
        self.kept.append(call)
        return call


def _named(path: str) -> object:
    """What a name alone stands for: a type of numbers, or something that nobody makes."""
    dtype = getattr(torch, path.rpartition(".")[2], None) if path.startswith("torch.") else None
    return dtype if isinstance(dtype, torch.dtype) else StoredObject(path=path)


def _first(call: Call) -> object:
    return call.arguments[0] if isinstance(call.arguments, tuple) and call.arguments else None


def _stored(call: Call) -> StoredTensor:
    stored, offset, size, stride = tensor_layout(call)
    tensor_bytes(call)  # it must lie inside its storage
    dtype = tensor_dtype(call)
    if dtype is None:
        return StoredTensor(shape=size, dtype=torch.uint8, problem=storage_kind(stored))
    return StoredTensor(shape=size, dtype=dtype, storage=stored, offset=offset, stride=stride)


def _sparse(call: Call) -> StoredTensor:
    del call
    return StoredTensor(shape=(), dtype=torch.float32, problem="sparse")


def _quantised(call: Call) -> StoredTensor:
    return StoredTensor(shape=tensor_layout(call)[2], dtype=torch.int8, problem="quantised")


def _set(call: Call) -> object:
    items = _first(call)
    return set(items) if isinstance(items, list) else set()


def _size(call: Call) -> object:
    first = _first(call)
    return tuple(first) if isinstance(first, tuple | list) else ()


def _class_of(call: Call, path: str) -> str:
    """The class that a call would make; ``copyreg`` names it in its first argument."""
    first = _first(call)
    if path.endswith("._reconstructor") and isinstance(first, GlobalName):
        return first.path
    return path or "the result of a call"


def _attributes(call: Call) -> dict[object, object]:
    """An instance's attributes, or what it is made with and holds, by its place."""
    attributes: dict[object, object] = {}
    for state in call.state:
        slots = isinstance(state, tuple) and len(state) == 2
        for values in state if slots and isinstance(state, tuple) else (state,):
            if isinstance(values, dict):
                attributes.update(values)
    given = call.arguments if isinstance(call.arguments, tuple) else ()
    inside = [*(item for item in given if isinstance(item, dict | list | Call)), *call.appended]
    return attributes or dict(enumerate(inside))


def _listed_pairs(call: Call) -> dict[object, object]:
    """What an OrderedDict is made with: a list of pairs."""
    first = _first(call)
    pairs = first if isinstance(first, list) else []
    return {pair[0]: pair[1] for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2}


def _array(call: Call) -> object:
    """A numpy array of plain numbers; an object for any other."""
    return _plain_array(call) or StoredObject(path="numpy.ndarray")


def _plain_array(call: Call) -> StoredTensor | None:
    found: tuple[object, ...]
    match call.arguments, call.state:
        case (_, [(_, tuple() as sides, Call() as kind, bool(fortran), data)]):
            found = (sides, kind, fortran, data)
        case ((data, Call() as kind, tuple() as sides, str(order)), []):
            found = (sides, kind, order == "F", data)
        case _:
            return None
    sides, kind, is_fortran, data = found
    assert isinstance(kind, Call), kind
    dtype, raw = _dtype(kind), _bytes(data)
    if dtype is None or raw is None or not isinstance(sides, tuple):
        return None
    whole = all(isinstance(side, int) and 0 <= side < 2**48 for side in sides)
    if not whole or math.prod(sides) * dtype.itemsize != len(raw):
        return None
    if is_fortran and len(sides) > 1:
        numbers = torch.frombuffer(bytearray(raw or b"\0" * 8), dtype=dtype)
        turned = numbers[: math.prod(sides)].reshape(sides[::-1]).permute(*range(len(sides))[::-1])
        raw = turned.contiguous().view(torch.uint8).numpy().tobytes() if raw else raw
    return StoredTensor(shape=sides, dtype=dtype, data=raw)


def _dtype(call: Call) -> torch.dtype | None:
    """The type of an array's numbers, little-endian ones alone."""
    big = sys.byteorder == "big" or any(
        isinstance(state, tuple) and len(state) > 1 and state[1] == ">" for state in call.state
    )
    name = _first(call)
    is_dtype = isinstance(call.callee, GlobalName) and call.callee.path == "numpy.dtype"
    return _NUMPY.get(name) if is_dtype and isinstance(name, str) and not big else None


def _bytes(value: object) -> bytes | None:
    """Bytes as a pickle of any protocol keeps them."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, Call) and isinstance(value.callee, GlobalName):
        match value.callee.path, value.arguments:
            case ("_codecs.encode", (str(text), "latin1")):
                try:
                    return text.encode("latin1")
                except UnicodeEncodeError:
                    return None
            case ("builtins.bytearray" | "builtins.bytes", ()):
                return b""
            case ("builtins.bytearray" | "builtins.bytes", ((bytes() | bytearray()) as data,)):
                return bytes(data)
    return None


def _scalar(call: Call) -> object:
    """A number of numpy as Python's, where it is plain."""
    match call.arguments:
        case (Call() as kind, data):
            dtype, raw = _dtype(kind), _bytes(data)
            if dtype is not None and raw is not None and len(raw) == dtype.itemsize:
                number: object = torch.frombuffer(bytearray(raw), dtype=dtype)[0].item()
                return number
    return StoredObject(path="numpy.generic")


_LEAVES: Mapping[str, Callable[[Call], object]] = {
    **dict.fromkeys(_TENSORS, _stored),
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_qtensor": _quantised,
    "builtins.set": _set,
    "torch.Size": _size,
    **{f"numpy.{core}.multiarray._reconstruct": _array for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
}


def objects_in(value: object) -> tuple[str, ...]:
    """The classes of all objects in contents that are no networks' parts, each once.

    Args:
        value: What :func:`contents` gave.
    """
    found: dict[str, None] = {}
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, StoredObject):
            if not item.is_network and kind_of(item.path) not in (NameKind.LAYER, NameKind.WEIGHTS):
                found[shown(item.path)] = None
            waiting.extend(item.parts.values())
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
    return tuple(found)
