"""The weights inside a TorchScript archive or an exported program, whose program is not run."""

import json
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from exray.models.checkpoints.pickles.interpreter import MAX_BYTES, follow
from exray.models.checkpoints.pickles.policy import (
    storage_kind,
    storage_of,
    tensor_bytes,
    tensor_layout,
)
from exray.models.checkpoints.pickles.values import BrokenPickleError, Call, GlobalName, StorageRef
from exray.models.checkpoints.zip_archive import Archive
from exray.text import shown

_MAX_DEPTH = 64
_MAX_WEIGHTS = 20_000
_WEIGHTS = "data/weights/model_weights_config.json"
_DTYPES = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16,
    "BFloat16": torch.bfloat16, "Long": torch.int64, "Int": torch.int32, "Short": torch.int16,
    "Char": torch.int8, "Byte": torch.uint8, "Bool": torch.bool,
}  # fmt: skip
# Numbers of torch._export.serde.schema.ScalarType.
_EXPORTED = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64,
    6: torch.float16, 7: torch.float32, 8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip


def is_torchscript(archive: Archive) -> bool:
    """Whether an archive is what ``torch.jit.save`` wrote."""
    return "constants.pkl" in archive.sizes and "data.pkl" in archive.sizes


def is_exported(archive: Archive) -> bool:
    """Whether an archive is what ``torch.export.save`` wrote."""
    return "archive_format" in archive.sizes or "serialized_state_dict.pt" in archive.sizes


def torchscript_weights(archive: Archive) -> dict[str, Tensor]:
    """The parameters and buffers of a TorchScript archive, by name.

    Its pickle is followed without doing what it says, and the numbers are read from its entries.
    ``torch.jit.load`` would compile the archive's code and run what its classes do on loading.

    Args:
        archive: One that :func:`is_torchscript` knows.

    Raises:
        BrokenPickleError: If its pickle is none that ``torch.jit.save`` writes.
    """
    if archive.sizes["data.pkl"] > MAX_BYTES:
        raise BrokenPickleError(f"has a pickle of {archive.sizes['data.pkl']} bytes")
    program = follow(archive.read("data.pkl"))
    unknown = [name for name in program.names if not name.startswith(("__torch__.", "torch."))
               and name != "collections.OrderedDict"]  # fmt: skip
    if unknown:
        raise BrokenPickleError(f"names {shown(unknown[0])}", program.names)
    calls: dict[str, Call] = {}
    _collect(program.value, "", calls)
    _check_total(sum(tensor_bytes(call) for call in calls.values()), archive)
    return {name: _read(call, archive) for name, call in calls.items()}


def _collect(value: object, name: str, calls: dict[str, Call]) -> None:
    """The tensors among an object's attributes, and among those of the objects in it."""
    if name.count(".") > _MAX_DEPTH or len(calls) > _MAX_WEIGHTS:
        raise BrokenPickleError("holds parts inside parts without end")
    if not isinstance(value, Call) or not isinstance(value.callee, GlobalName):
        return
    if value.callee.path.startswith("torch._utils._rebuild_tensor"):
        calls[name] = value
    elif value.callee.path.startswith("torch._utils._rebuild_"):
        raise BrokenPickleError(f"holds {shown(name)} as a sparse or quantised tensor")
    elif value.callee.path.startswith("__torch__."):
        for state in value.state:
            if not isinstance(state, dict):
                raise BrokenPickleError(f"rebuilds {shown(value.callee.path)} by a program")
            for key, inner in state.items():
                _collect(inner, f"{name}.{key}" if name else str(key), calls)


def _read(call: Call, archive: Archive) -> Tensor:
    stored, offset, size, stride = tensor_layout(call)
    return _strided(_storage(stored, archive), size, stride, offset)


def _storage(stored: StorageRef, archive: Archive) -> Tensor:
    key, length = storage_of(stored)
    kind = storage_kind(stored)
    if archive.sizes.get(f"data/{key}") != length or kind not in _DTYPES:
        raise BrokenPickleError(f"asks for storage {shown(key)}, which is not in the file")
    return _numbers(archive.read(f"data/{key}"), _DTYPES[kind])


def exported_weights(archive: Archive) -> dict[str, Tensor]:
    """The parameters and buffers of an exported program, by name.

    ``torch.export.load`` would evaluate the sizes that the file writes as expressions.

    Args:
        archive: One that :func:`is_exported` knows.

    Raises:
        BrokenPickleError: If it is of an earlier form, or none that ``torch.export.save`` writes.
    """
    if _WEIGHTS not in archive.sizes or archive.sizes[_WEIGHTS] > MAX_BYTES:
        raise BrokenPickleError("is an exported program of an earlier form")
    try:
        described = json.loads(archive.read(_WEIGHTS))["config"]
        entries = cast("dict[str, object]", described)
        plans = {str(name): _plan(entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BrokenPickleError(f"describes its weights in no known way ({error!r:.80})") from error
    total = 0
    for _, dtype, size, _, _ in plans.values():
        count = 1
        for side in size:
            count *= side
        total += count * max(4, dtype.itemsize)
    _check_total(total, archive)
    return {name: _exported(plan, archive) for name, plan in plans.items()}


_Plan = tuple[str, torch.dtype, tuple[int, ...], tuple[int, ...], int]


def _plan(entry: object) -> _Plan:
    """Path, type, size, stride and offset of one weight."""
    values = cast("Mapping[str, object]", entry)
    meta = cast("Mapping[str, object]", values["tensor_meta"])
    if values["use_pickle"]:
        raise ValueError("a weight is a pickle")
    dtype = _EXPORTED[cast(int, meta["dtype"])]
    size, stride = _counts(meta["sizes"]), _counts(meta["strides"])
    return str(values["path_name"]), dtype, size, stride, _count(meta["storage_offset"])


def _counts(values: object) -> tuple[int, ...]:
    return tuple(_count(value) for value in cast("list[object]", values))


def _count(value: object) -> int:
    number = cast("Mapping[str, object]", value)["as_int"]
    if not isinstance(number, int) or not 0 <= number < 2**48:
        raise ValueError(f"{number!r} is no count")
    return number


def _exported(plan: _Plan, archive: Archive) -> Tensor:
    place, dtype, size, stride, offset = plan
    entry = f"data/weights/{place}"
    if entry not in archive.sizes:
        raise BrokenPickleError(f"asks for {shown(entry)}, which is not in the file")
    return _strided(_numbers(archive.read(entry), dtype), size, stride, offset)


def _numbers(data: bytes, dtype: torch.dtype) -> Tensor:
    if not data or len(data) % dtype.itemsize:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype)


def _strided(
    numbers: Tensor, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> Tensor:
    """A tensor that lies inside its numbers."""
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True)) + 1
    if 0 in size:
        return numbers.new_empty(size)
    if last > len(numbers):
        raise BrokenPickleError(
            f"rebuilds a tensor of {'x'.join(map(str, size))} that its storage does not hold"
        )
    return numbers.as_strided(size, stride, offset).clone()


def _check_total(claimed: int, archive: Archive) -> None:
    stored = sum(archive.sizes.values())
    if claimed > 4 * stored + 2**26:
        raise BrokenPickleError(f"claims tensors of {claimed} bytes over {stored} stored bytes")
