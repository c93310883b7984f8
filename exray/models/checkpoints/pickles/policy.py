"""What a checkpoint's pickle may call, and with what: weights and layers are held to a form."""

import re
from collections.abc import Callable, Iterable, Mapping

import torch

from exray.models.checkpoints.pickles.interpreter import PickleProgram
from exray.models.checkpoints.pickles.names import NameKind, kind_of
from exray.models.checkpoints.pickles.values import (
    BrokenPickleError,
    Call,
    GlobalName,
    StorageRef,
    is_flat,
)
from exray.text import shown

StorageBytes = Callable[[str, int], int | None]
"""Bytes of a storage, given its key and what the pickle claims; None where there is none."""

_SPARE_BYTES = 2**26  # that tensors may claim beyond four times what is stored
_SIZES = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1,
    "Byte": 1, "Bool": 1, "ComplexFloat": 8, "ComplexDouble": 16, "Untyped": 1, "QInt8": 1,
    "QUInt8": 1, "QInt32": 4,
}  # fmt: skip
_DTYPES = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16,
    "BFloat16": torch.bfloat16, "Long": torch.int64, "Int": torch.int32, "Short": torch.int16,
    "Char": torch.int8, "Byte": torch.uint8, "Bool": torch.bool, "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
}  # fmt: skip
_STORAGE = re.compile(r"torch\.(?:cuda\.|storage\.)?(\w+)Storage")


def code_in(names: Iterable[str], calls: Iterable[Call] = ()) -> tuple[str, ...]:
    """What of a pickle could run code, as names for a message; empty if nothing could.

    Args:
        names: What the pickle names.
        calls: What it calls: functions of other packages count only where they are called.

    Example:
        >>> code_in(["os.system", "argparse.Namespace", "mine.activation", "mine.Settings"])
        ('os.system',)
    """
    found = {name: None for name in names if kind_of(name) is NameKind.CODE}
    for call in calls:
        if isinstance(call.callee, Call):
            found["what a call returns"] = None
        path = _path(call)
        is_function = kind_of(path) is NameKind.FUNCTION and not call.is_new
        if path and (is_function or (path == "builtins.getattr" and not _is_member(call))):
            found[path] = None
    return tuple(found)


def check_program(program: PickleProgram, *, storage_bytes: StorageBytes) -> int:
    """Hold every call of a pickle that rebuilds weights or layers to what ``torch.save`` writes.

    A layer may only be made empty and filled with a dictionary; its constructor, which could
    allocate whatever it is asked for, is never called. A tensor must lie inside its storage, and
    a storage must be as long as the file says. Other values and instances of other classes are
    never made, so they may be anything.

    Args:
        program: :func:`code_in` finds nothing in it.
        storage_bytes: How long a storage really is.

    Returns:
        Bytes of all storages together.

    Raises:
        BrokenPickleError: At the first call or size that is none of these.
    """
    total = _check_storages(program.stored, storage_bytes)
    claimed = 0
    for call in program.calls:
        path = _path(call) or "a result"
        kind = kind_of(path)
        if kind is NameKind.LAYER:
            _check_layer(call, path)
        elif path in _TENSORS and not call.state and not call.items:
            claimed += tensor_bytes(call)
        elif not (kind in _NEVER_MADE or _is_plain_call(call, path)) or _is_blank(call, path):
            raise BrokenPickleError(f"calls {shown(path)} in a way that torch.save never does")
    if claimed > 4 * total + _SPARE_BYTES:
        raise BrokenPickleError(f"claims tensors of {claimed} bytes over {total} stored bytes")
    return total


def _check_storages(stored: tuple[StorageRef, ...], storage_bytes: StorageBytes) -> int:
    lengths: dict[str, int] = {}
    for item in stored:
        key, claimed = storage_of(item)
        actual = storage_bytes(key, claimed)
        if actual is None:
            raise BrokenPickleError(f"asks for storage {shown(key)}, which is not in the file")
        if actual != claimed:
            raise BrokenPickleError(
                f"claims {claimed} bytes for storage {shown(key)}, which has {actual}"
            )
        if lengths.setdefault(key, claimed) != claimed:
            raise BrokenPickleError(f"claims two lengths for storage {shown(key)}")
    return sum(lengths.values())


def storage_of(stored: StorageRef) -> tuple[str, int]:
    """A storage's key, and how many bytes the pickle says it has.

    Raises:
        BrokenPickleError: If it is no storage as ``torch.save`` writes it.
    """
    match stored.key:
        case ("storage", GlobalName(path=path), str(key), str(), int(count)):
            view = None
        case (
            "storage",
            GlobalName(path=path),
            str(key),
            str(),
            int(count),
            None | tuple() as view,
        ):
            pass
        case _:
            raise BrokenPickleError("asks for something that is stored in no way of torch.save's")
    match = _STORAGE.fullmatch(path)
    if match is None or match[1] not in _SIZES or count < 0 or not _is_view(view, count):
        raise BrokenPickleError(f"asks for a storage {shown(path)} of {count} numbers")
    return key, count * _SIZES[match[1]]


def _is_view(view: object, count: int) -> bool:
    """Whether a view into a storage, as legacy files have them, lies inside it."""
    match view:
        case None:
            return True
        case (str(), int(offset), int(length)):
            return 0 <= offset <= offset + length <= count
    return False


def _check_layer(call: Call, path: str) -> None:
    empty = call.arguments == () and not call.items and not call.appended
    filled = len(call.state) <= 1 and all(map(_is_state, call.state))
    if not (call.is_new and empty and filled):
        raise BrokenPickleError(f"calls {shown(path)} in a way that torch.save never does")


def _is_plain_call(call: Call, path: str) -> bool:
    if call.is_new or call.appended or path not in _CALLS or not _CALLS[path](call.arguments):
        return False
    if path == "collections.OrderedDict":  # a state dict carries its _metadata as an attribute
        return all(isinstance(state, dict) and set(state) <= {"_metadata"} for state in call.state)
    return not call.state and not call.items


def _is_state(state: object) -> bool:
    return isinstance(state, dict) and all(
        isinstance(key, str) and not key.startswith("__") for key in state
    )


def tensor_layout(call: Call) -> tuple[StorageRef, int, tuple[int, ...], tuple[int, ...]]:
    """Storage, offset, size and stride of a tensor that a pickle rebuilds.

    Raises:
        BrokenPickleError: If the call is none of torch's.
    """
    arguments = call.arguments
    if isinstance(arguments, tuple) and len(arguments) >= 4 and not call.is_new:
        stored, offset, size, stride = arguments[:4]
        if (
            isinstance(stored, StorageRef)
            and isinstance(offset, int)
            and _are_counts(size)
            and _are_counts(stride)
            and len(size) == len(stride)
            and offset >= 0
            and all(_is_tail(rest) for rest in arguments[4:])
        ):
            return stored, offset, size, stride
    raise BrokenPickleError("rebuilds a tensor in a way that torch.save never does")


def storage_kind(stored: StorageRef) -> str:
    """What numbers a storage that :func:`storage_of` accepts has, as ``Float``."""
    assert isinstance(stored.key, tuple), stored
    match = _STORAGE.fullmatch(stored.key[1].path)
    assert match is not None, stored
    return match[1]


def storage_width(stored: StorageRef) -> int:
    """Bytes of a number in a storage that :func:`storage_of` accepts."""
    return _SIZES[storage_kind(stored)]


def tensor_bytes(call: Call) -> int:
    """Bytes that a tensor takes once it is dense, at four a number or more.

    Raises:
        BrokenPickleError: If it does not lie inside its storage.
    """
    stored, offset, size, stride = tensor_layout(call)
    _, length = storage_of(stored)
    width = storage_width(stored)
    if _path(call).endswith("_v3"):
        width = _named_dtype(call).itemsize
    count = 1
    for side in size:
        count *= side
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True)) + 1
    if count and last * width > length:
        raise BrokenPickleError(
            f"rebuilds a tensor of {'x'.join(map(str, size))} that its storage does not hold"
        )
    return count * max(width, 4)  # numbers of fewer bits become float32


def tensor_dtype(call: Call) -> torch.dtype | None:
    """What a tensor's numbers are; None where torch computes nothing with them.

    Args:
        call: One that :func:`tensor_layout` accepts.
    """
    if _path(call).endswith("_v3"):
        return _named_dtype(call)
    return _DTYPES.get(storage_kind(tensor_layout(call)[0]))


def _named_dtype(call: Call) -> torch.dtype:
    """The type that the newest form of a tensor names, besides its storage."""
    arguments = call.arguments
    named = arguments[6] if isinstance(arguments, tuple) and len(arguments) > 6 else None
    name = named.path.rpartition(".")[2] if isinstance(named, GlobalName) else ""
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise BrokenPickleError("rebuilds a tensor in a way that torch.save never does")
    return dtype


def _are_counts(value: object) -> bool:
    """Whether something is a tuple of sides, or a torch.Size made of one."""
    return isinstance(value, tuple) and all(
        isinstance(side, int) and 0 <= side < 2**48 for side in value
    )


def _is_tail(value: object) -> bool:
    """Whether an argument after the stride is harmless: a flag, no hooks, a dtype."""
    if isinstance(value, Call):
        return _is_empty_dict(value) or _path(value).startswith("torch._utils._rebuild_")
    return isinstance(value, GlobalName | dict) or is_flat(value) or _is_quantizer(value)


def _is_quantizer(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, GlobalName | Call | int | float)
                                            for item in value)  # fmt: skip


def _path(call: Call) -> str:
    return call.callee.path if isinstance(call.callee, GlobalName) else ""


def _is_member(call: Call) -> bool:
    """Whether a call of ``getattr`` is how an enumeration's member is pickled."""
    match call.arguments:
        case (GlobalName(path=path), str(name)):
            known = kind_of(path) in (NameKind.CLASS, NameKind.DATA)
            return known and name.isidentifier() and not name.startswith("_")
    return False


def _is_blank(call: Call, path: str) -> bool:
    """Whether bytes are made by their count alone, which can be any."""
    first = call.arguments[0] if isinstance(call.arguments, tuple) and call.arguments else None
    return path in ("builtins.bytearray", "builtins.bytes") and isinstance(first, int)


def _is_empty_dict(value: object) -> bool:
    return isinstance(value, Call) and _path(value) == "collections.OrderedDict" and not value.items


def _is_ordered(arguments: object) -> bool:
    """Whether an OrderedDict is made empty, or of pairs with plain keys."""
    match arguments:
        case ():
            return True
        case (list() as pairs,):
            return all(
                isinstance(pair, list | tuple) and len(pair) == 2 and is_flat(pair[0])
                for pair in pairs
            )
    return False


def _is_parameter(arguments: object) -> bool:
    match arguments:
        case (Call() as data, bool(), Call() as hooks):
            return _path(data) in _TENSORS and _is_empty_dict(hooks)
    return False


def _is_sparse(arguments: object) -> bool:
    match arguments:
        case (Call(), (Call(), Call(), tuple() | Call(), *_)):
            return True
    return False


def _one_flat(arguments: object) -> bool:
    return isinstance(arguments, tuple) and all(map(is_flat, arguments))


def _is_set(arguments: object) -> bool:
    match arguments:
        case ():
            return True
        case (list() as items,):
            return all(map(is_flat, items))
    return False


def _is_latin(arguments: object) -> bool:
    match arguments:
        case (str(), "latin1"):
            return True
    return False


_NEVER_MADE = (NameKind.DATA, NameKind.CLASS, NameKind.FUNCTION)
_TENSORS = frozenset(
    f"torch._utils._rebuild_{kind}" for kind in ("tensor", "tensor_v2", "tensor_v3", "qtensor")
)
_CALLS: Mapping[str, Callable[[object], bool]] = {
    "collections.OrderedDict": _is_ordered,
    "torch._utils._rebuild_parameter": _is_parameter,
    "torch._utils._rebuild_sparse_tensor": _is_sparse,
    "torch.serialization._get_layout": _one_flat,
    "torch.Size": _one_flat,
    "torch.device": _one_flat,
    "builtins.set": _is_set,
    "_codecs.encode": _is_latin,
}
