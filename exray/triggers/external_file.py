"""Triggers that another tool recovered, out of its file: arrays beside JSON, nothing executed."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from msgspec import Meta, Struct
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from exray.schema import at, converted
from exray.triggers.base import Trigger, array_fields, option_fields
from exray.triggers.serialization import trigger_kinds

LIST = "triggers"  # the JSON's key, and the name under which either kind of file may hold the JSON
_MAX_BYTES = 1 << 32  # of all arrays together, once unpacked

Arrays = Mapping[str, NDArray[np.generic]]


class _Entry(Struct, frozen=True):
    """What every trigger of the JSON has; options of its kind come on top."""

    name: Annotated[str, Meta(min_length=1, description="some text, the arrays' prefix")]
    kind: str
    victim_class: Annotated[
        Annotated[int, Meta(ge=0)] | Literal["all"],
        Meta(description='a class index, 0 or more, or "all" for a universal trigger'),
    ]
    target_class: Annotated[int, Meta(ge=0, description="a class index, 0 or more")]


@dataclass(frozen=True, kw_only=True)
class FileTrigger:
    """One entry of a trigger file.

    Args:
        name: What the file calls it.
        trigger: What it does to images.
        victim_class: Class whose images it flips; None for all others than the target.
        target_class: Class they are flipped to.
    """

    name: str
    trigger: Trigger
    victim_class: int | None
    target_class: int


def read_triggers(path: Path) -> tuple[FileTrigger, ...]:
    """Every trigger of a file, checked; ``docs/external-triggers.md`` describes the form.

    Args:
        path: A ``.npz`` or ``.safetensors`` file. Its JSON lies beside it, under the same name
            ending in ``.json``, or within: as the array or the metadata entry ``triggers``.

    Raises:
        ValueError: If file or JSON cannot be read, or an entry is not what the form asks for;
            names the file and the entry. Pickled arrays are refused, not opened.
    """
    arrays, inner = _contents(path)
    beside = path.with_suffix(".json")
    if inner is None and not beside.is_file():
        raise ValueError(
            f"{path} has no JSON that says which classes its triggers flip; write {beside.name} "
            f"beside it, or store the same text in it as {LIST!r}"
        )
    place, text = (beside, _text(beside)) if inner is None else (path, inner)
    triggers = tuple(_read(path, entry, arrays) for entry in _entries(text, place))
    used = {
        f"{entry.name}/{part}" for entry in triggers for part in array_fields(type(entry.trigger))
    }
    unused = sorted(set(arrays) - used)
    if unused:
        raise ValueError(
            f"{path}: array {unused[0]!r} belongs to no trigger of the JSON; arrays are called "
            "NAME/PART"
        )
    return triggers


def _contents(path: Path) -> tuple[Arrays, str | None]:
    """A file's arrays by name, and the JSON within it, if any."""
    if not path.is_file():
        raise ValueError(f"{path} does not exist or is no file")
    readers = {".npz": _from_npz, ".safetensors": _from_safetensors}
    if path.suffix not in readers:
        raise ValueError(f"{path} must end in .npz or .safetensors, which say how it is read")
    return readers[path.suffix](path)


def _from_npz(path: Path) -> tuple[Arrays, str | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _MAX_BYTES:
            raise ValueError(f"its arrays take {size} bytes, more than {_MAX_BYTES}")
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, NDArray[np.generic]] = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); save plain arrays with numpy.savez. Pickles are "
            "not opened"
        ) from error
    inner = arrays.pop(LIST, None)
    if inner is not None and (inner.dtype.kind != "U" or inner.ndim):
        raise ValueError(f"{path}: the array {LIST!r} must hold the JSON's text")
    return arrays, None if inner is None else str(inner)


def _from_safetensors(path: Path) -> tuple[Arrays, str | None]:
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, TypeError, ValueError, MemoryError) as error:
        raise ValueError(f"{path} is no safetensors file of plain arrays ({error})") from error
    return arrays, metadata.get(LIST)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error})") from error


def _entries(text: str, place: Path) -> list[dict[str, object]]:
    """The JSON's list of triggers, each a mapping with a name of its own."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} holds no JSON ({error})") from error
    entries = content.get(LIST) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f'{place} must read {{"{LIST}": [{{...}}, ...]}}, one object per trigger')
    names = [entry.get("name") for entry in entries]
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise ValueError(f"{place}: trigger number {number} needs a name, the arrays' prefix")
        if names.index(name) < number:
            raise ValueError(f"{place}: two triggers are called {name!r}; each needs its own name")
    return entries


def _read(path: Path, values: Mapping[str, object], arrays: Arrays) -> FileTrigger:
    """One entry as a trigger; every complaint names the file and the entry."""
    with at(f"{path}: trigger {values['name']!r}"):
        common = {key: values[key] for key in _Entry.__struct_fields__ if key in values}
        entry = converted(common, _Entry)
        if entry.victim_class == entry.target_class:
            raise ValueError(
                f"victim_class and target_class must differ; both are {entry.target_class}"
            )
        return FileTrigger(
            name=entry.name,
            trigger=_trigger(entry, values, arrays),
            victim_class=None if entry.victim_class == "all" else entry.victim_class,
            target_class=entry.target_class,
        )


def _trigger(entry: _Entry, values: Mapping[str, object], arrays: Arrays) -> Trigger:
    """The trigger of an entry's kind."""
    kinds = trigger_kinds()
    if entry.kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}; got {entry.kind!r}")
    kind = kinds[entry.kind]
    options = {key: values[key] for key in values if key not in _Entry.__struct_fields__}
    known = option_fields(kind)
    for key in options:
        if key not in known:
            raise ValueError(
                f"a trigger of kind {entry.kind} has no key {key!r}; it has: "
                f"{', '.join((*_Entry.__struct_fields__, *known))}"
            )
    tensors = {
        part: _tensor(entry.name, part, arrays, colours=part in kind.colour_arrays)
        for part in array_fields(kind)
    }
    return kind.from_arrays(tensors, options)


def _tensor(name: str, part: str, arrays: Arrays, *, colours: bool) -> Tensor:
    """One array as float32; bytes of colours become shares of 255."""
    key = f"{name}/{part}"
    if key not in arrays:
        raise ValueError(f"the array {key!r} is missing")
    array = arrays[key]
    if array.dtype == np.uint8 and colours:
        return torch.from_numpy(array.astype(np.float32) / 255)
    if array.dtype.kind not in ("f", "b") or array.dtype.itemsize > np.dtype(np.float64).itemsize:
        also = " or bytes" if colours else ""
        raise ValueError(f"{part} must hold floats{also}; got {array.dtype}")
    return torch.from_numpy(array.astype(np.float32))
