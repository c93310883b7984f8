"""Triggers that another tool found, out of its file: arrays beside JSON, nothing executed."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from exray.triggers.base import Trigger
from exray.triggers.filter import NUM_INPUTS, FilterTrigger
from exray.triggers.paired import PairedTrigger
from exray.triggers.patch import PatchTrigger

LIST = "triggers"  # the JSON's key, and the name under which either kind of file may hold the JSON
ALL = "all"  # victim_class of a universal trigger
ARRAYS = {"patch": ("mask", "pattern"), "pairs": ("clean", "stamped"), "filter": ("kernel",)}
_KEYS = ("name", "kind", "victim_class", "target_class", "window", "image_size")
_MAX_BYTES = 1 << 32  # of all arrays together, unpacked
_BYTES_ALLOWED = ("pattern", "clean", "stamped")

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class FileTrigger:
    """One entry of a trigger file.

    Args:
        name: What the file calls it.
        trigger: What it does to images.
        victim_class: Class whose images it flips; None for all others than the target.
        target_class: Class they are flipped to.
        image_size: Height and width that it is made for.
    """

    name: str
    trigger: Trigger
    victim_class: int | None
    target_class: int
    image_size: tuple[int, int]


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
    entries = _entries(text, place)
    names = [str(entry.get("name")) for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{place}: two triggers are called {twice[0]!r}; each needs its own name")
    wanted = {
        f"{name}/{part}"
        for name, entry in zip(names, entries, strict=True)
        for part in ARRAYS.get(str(entry.get("kind")), ())
    }
    unused = sorted(set(arrays) - wanted)
    found = tuple(_checked(path, entry, arrays) for entry in entries)
    if unused:
        raise ValueError(
            f"{path}: array {unused[0]!r} belongs to no trigger of the JSON; arrays are called "
            "NAME/PART"
        )
    return found


def _contents(path: Path) -> tuple[Arrays, str | None]:
    """A file's arrays by name, and the JSON within it, if any."""
    if not path.is_file():
        raise ValueError(f"{path} does not exist or is no file; give scanner.triggers=FILE")
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
    """The JSON's list of triggers, each a mapping with known keys."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} holds no JSON ({error})") from error
    entries = content.get(LIST) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f'{place} must read {{"{LIST}": [{{...}}, ...]}}, an object a trigger')
    for number, entry in enumerate(entries):
        if not isinstance(entry.get("name"), str) or not entry["name"]:
            raise ValueError(f"{place}: trigger number {number} needs a name, the arrays' prefix")
        unknown = sorted(set(entry) - set(_KEYS))
        if unknown:
            raise ValueError(
                f"{place}: trigger {entry['name']!r} has no key {unknown[0]!r}; it has: "
                f"{', '.join(_KEYS)}"
            )
    return entries


def _checked(path: Path, entry: Mapping[str, object], arrays: Arrays) -> FileTrigger:
    """One entry as a trigger; every complaint names the file and the entry."""
    name = str(entry["name"])
    try:
        trigger, image_size = _made(entry, arrays)
        victim, target = _classes(entry)
    except ValueError as error:
        raise ValueError(f"{path}: trigger {name!r}: {error}") from error
    return FileTrigger(
        name=name,
        trigger=trigger,
        victim_class=victim,
        target_class=target,
        image_size=image_size,
    )


def _classes(entry: Mapping[str, object]) -> tuple[int | None, int]:
    """Victim class, None for all, and target class."""
    for key in ("victim_class", "target_class"):
        value = entry.get(key)
        universal = key == "victim_class" and value == ALL
        if not universal and (type(value) is not int or value < 0):
            hint = f', or "{ALL}" for a universal trigger' if key == "victim_class" else ""
            raise ValueError(f"{key} must be a class index, 0 or more{hint}; got {value!r}")
    victim, target = entry["victim_class"], entry["target_class"]
    if victim == target:
        raise ValueError(f"victim_class and target_class must differ; both are {target}")
    assert isinstance(target, int)
    return (victim if isinstance(victim, int) else None), target


def _made(entry: Mapping[str, object], arrays: Arrays) -> tuple[Trigger, tuple[int, int]]:
    """The trigger of an entry's kind, and the image size it is made for."""
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in ARRAYS:
        raise ValueError(f"kind must be one of {', '.join(ARRAYS)}; got {kind!r}")
    if kind != "filter":
        odd = [key for key in ("window", "image_size") if key in entry]
        if odd:
            raise ValueError(f"{odd[0]} belongs to a filter, not to kind {kind!r}")
    parts = {part: _part(str(entry["name"]), part, arrays) for part in ARRAYS[kind]}
    if kind == "patch":
        return _patch(parts["mask"], parts["pattern"])
    if kind == "pairs":
        return _pairs(parts["clean"], parts["stamped"])
    return _filter(parts["kernel"], entry.get("window"), entry.get("image_size"))


def _part(name: str, part: str, arrays: Arrays) -> Tensor:
    """One array as float32; bytes of colours become shares of 255."""
    key = f"{name}/{part}"
    if key not in arrays:
        raise ValueError(f"the array {key!r} is missing")
    array = arrays[key]
    if array.dtype == np.uint8 and part in _BYTES_ALLOWED:
        return torch.from_numpy(array.astype(np.float32) / 255)
    if array.dtype.kind not in ("f", "b") or array.dtype.itemsize > np.dtype(np.float64).itemsize:
        also = " or bytes" if part in _BYTES_ALLOWED else ""
        raise ValueError(f"{part} must hold floats{also}; got {array.dtype}")
    return torch.from_numpy(array.astype(np.float32))


def _patch(mask: Tensor, pattern: Tensor) -> tuple[Trigger, tuple[int, int]]:
    if mask.ndim != 2 or not mask.numel():
        raise ValueError(f"mask must be of shape (height, width); got {tuple(mask.shape)}")
    height, width = mask.shape
    if pattern.shape == (3,):
        pattern = pattern[:, None, None].expand(3, height, width).clone()
    if pattern.shape != (3, height, width):
        raise ValueError(
            f"pattern must be of shape (3, {height}, {width}), as the mask is, or (3,) for one "
            f"colour; got {tuple(pattern.shape)}{_last(pattern)}"
        )
    return PatchTrigger(mask=mask, pattern=pattern), (height, width)


def _pairs(clean: Tensor, stamped: Tensor) -> tuple[Trigger, tuple[int, int]]:
    for name, images in (("clean", clean), ("stamped", stamped)):
        if images.ndim != 4 or images.shape[1] != 3 or not images.numel():
            raise ValueError(
                f"{name} must be of shape (images, 3, height, width), at least one image; got "
                f"{tuple(images.shape)}{_last(images)}"
            )
    trigger = PairedTrigger(clean=clean, stamped=stamped)
    return trigger, (clean.shape[-2], clean.shape[-1])


def _filter(kernel: Tensor, window: object, size: object) -> tuple[Trigger, tuple[int, int]]:
    if kernel.shape != (NUM_INPUTS, 3):
        raise ValueError(f"kernel must be of shape (12, 3); got {tuple(kernel.shape)}")
    if type(window) is not int:
        raise ValueError(f"window, a side in pixels, must be an odd number; got {window!r}")
    if not isinstance(size, list) or [type(each) for each in size] != [int, int] or min(size) < 1:
        raise ValueError(f"image_size of a filter must be [height, width] in pixels; got {size!r}")
    image_size = (size[0], size[1])
    return FilterTrigger(kernel=kernel, window=window, image_size=image_size), image_size


def _last(array: Tensor) -> str:
    """A hint where the colours are the last axis."""
    return "; move the colour axis before height and width" if array.shape[-1:] == (3,) else ""
