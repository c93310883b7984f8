"""Reads a stranger's HDF5 file in a process of its own, which :mod:`hdf5` starts.

HDF5's library is C and trusts the lengths in a file. Here it has little memory and time, and can
neither write files nor start processes; a crash of it is an answer like any other. Nothing
of exray or torch is imported.
"""

import json
import resource
import sys
from collections.abc import Mapping

import h5py
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

REFUSED = 3  # exit status; the clause is on stderr
CPU_SECONDS = 60
_SPARE_BYTES = 2**26  # that compressed numbers may take beyond four times the file
_MEMORY_BYTES = 2**31  # address space, beside eight times the file
_MAX_OBJECTS, _MAX_DEPTH, _MAX_SIDES = 10_000, 16, 8
_MAX_TEXT = 2**24  # bytes of an attribute
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_KERAS_3 = ("layers", "_layer_checkpoint_dependencies")  # the latter by Keras 2.12 to 2.15
_TRAINING = ("optimizer_weights", "optimizer")  # groups that no prediction needs


class RefusedFileError(ValueError):
    """A file that Keras does not write; the text is a clause."""


def main(path: str, length: int) -> bytes:
    """The file's layers and weights as safetensors.

    Args:
        path: The file.
        length: Its bytes.

    Returns:
        Tensors named ``LAYER.WEIGHT`` by their places; among the metadata, ``layers`` is a JSON
        list of names, each with its weights' names, ``config`` is Keras' own description or empty,
        and ``look`` is what was found.
    """
    with h5py.File(path, "r") as file:
        inspection = _Look(length)
        inspection.walk(file, "", 0)
        layers = _layers(file, inspection.datasets)
        arrays: dict[str, NDArray[np.generic]] = {}
        for place, (_, weights) in enumerate(layers):
            for index, (_, dataset) in enumerate(weights):
                arrays[f"{place}.{index}"] = np.ascontiguousarray(dataset[()])
        listed = [(name, [weight for weight, _ in weights]) for name, weights in layers]
        metadata = {
            "layers": json.dumps(listed),
            "config": _text(file, "model_config"),
            "look": json.dumps(inspection.facts()),
        }
    data: bytes = save(arrays, metadata=metadata)
    return data


class _Look:
    """A walk over everything in the file, before any number is read."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.datasets: dict[str, h5py.Dataset] = {}
        self.objects = 0
        self.numbers = 0
        self.compressed = 0

    def walk(self, group: h5py.Group, place: str, depth: int) -> None:
        """Checks every link, group and dataset."""
        if depth > _MAX_DEPTH:
            raise RefusedFileError("holds groups inside groups without end")
        self.objects += len(group)
        if self.objects > _MAX_OBJECTS:
            raise RefusedFileError(f"holds more than {_MAX_OBJECTS} objects")
        for name in group:
            inner = f"{place}/{name}" if place else str(name)
            kind = type(group.get(name, getlink=True)).__name__
            if kind != "HardLink":
                raise RefusedFileError(f"holds a link ({kind}) at {ascii(inner)[:80]}")
            member = group[name]
            if isinstance(member, h5py.Group):
                self.walk(member, inner, depth + 1)
            elif isinstance(member, h5py.Dataset):
                self._check(member, inner)
                self.datasets[inner] = member
            else:
                raise RefusedFileError(f"holds a named type at {ascii(inner)[:80]}")

    def facts(self) -> dict[str, int]:
        """What was counted."""
        return {
            "entries": self.objects,
            "tensors": len(self.datasets),
            "tensor_bytes": self.numbers,
            "compressed_bytes": self.compressed,
        }

    def _check(self, dataset: h5py.Dataset, place: str) -> None:
        """Refuses what is no plain array inside this file, or larger than the file can hold."""
        where = ascii(place)[:80]
        plan = dataset.id.get_create_plist()
        layout = plan.get_layout()
        if layout not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
            raise RefusedFileError(f"holds a virtual dataset at {where}")
        if layout == h5py.h5d.CONTIGUOUS and plan.get_external_count():
            raise RefusedFileError(f"keeps the numbers of {where} in another file")
        if dataset.dtype.kind not in "fiu" or dataset.dtype.itemsize > 8:
            raise RefusedFileError(f"holds {where} as {str(dataset.dtype)[:40]}, not as numbers")
        if dataset.shape is None or len(dataset.shape) > _MAX_SIDES:
            raise RefusedFileError(f"holds {where} without a shape that weights have")
        self._check_size(dataset, plan, where)

    def _check_size(self, dataset: h5py.Dataset, plan: h5py.h5p.PropDCID, where: str) -> None:
        claimed = dataset.dtype.itemsize
        for side in dataset.shape:
            claimed *= int(side)
        stored = dataset.id.get_storage_size()
        filters = {plan.get_filter(index)[0] for index in range(plan.get_nfilters())}
        if filters - _FILTERS:
            raise RefusedFileError(f"holds {where} under a filter that Keras does not use")
        if stored > self.length or (claimed > stored and not filters):
            raise RefusedFileError(f"claims {claimed} bytes for {where}, which has {stored}")
        self.numbers += claimed
        if filters:
            self.compressed += claimed
            self._check_chunks(dataset, claimed, where)
        if self.numbers > 4 * self.length + _SPARE_BYTES:
            raise RefusedFileError(
                f"claims numbers of {self.numbers} bytes in a file of {self.length}"
            )

    def _check_chunks(self, dataset: h5py.Dataset, claimed: int, where: str) -> None:
        chunk = dataset.dtype.itemsize
        for side in dataset.chunks or ():
            chunk *= int(side)
        if chunk > max(claimed, _SPARE_BYTES):
            raise RefusedFileError(f"keeps {where} in chunks of {chunk} bytes")


_Weights = list[tuple[str, h5py.Dataset]]


def _layers(file: h5py.File, datasets: Mapping[str, h5py.Dataset]) -> list[tuple[str, _Weights]]:
    """Layers with their weights, in order: in either of Keras' two ways to write them."""
    root = "model_weights" if isinstance(file.get("model_weights"), h5py.Group) else ""
    group = file[root] if root else file
    names = _once(_names(group, "layer_names"))
    if names:
        return [(name, _named(group, name, f"{root}/{name}", datasets)) for name in names]
    for top in _KERAS_3:
        if isinstance(file.get(top), h5py.Group):
            return [(name, _numbered(f"{top}/{name}/vars", datasets)) for name in file[top]]
    raise RefusedFileError("is an HDF5 file, but holds no layers as Keras writes them")


def _named(
    group: h5py.Group, name: str, place: str, datasets: Mapping[str, h5py.Dataset]
) -> _Weights:
    layer = group.get(name)
    if not isinstance(layer, h5py.Group):
        raise RefusedFileError(f"names a layer {ascii(name)[:80]}, which it does not hold")
    weights = []
    for weight in _once(_names(layer, "weight_names")):
        key = f"{place}/{weight}".strip("/")
        if key not in datasets:
            raise RefusedFileError(f"names a weight {ascii(key)[:80]}, which it does not hold")
        weights.append((weight.rpartition("/")[2].partition(":")[0], datasets[key]))
    return weights


def _numbered(place: str, datasets: Mapping[str, h5py.Dataset]) -> _Weights:
    weights: _Weights = []
    while f"{place}/{len(weights)}" in datasets:
        weights.append((str(len(weights)), datasets[f"{place}/{len(weights)}"]))
    return weights


def _names(group: h5py.Group, key: str) -> list[str]:
    """A list of names, which Keras cuts into numbered pieces where it is long."""
    if key in group.attrs:
        return _list(group, key)
    names: list[str] = []
    for index in range(_MAX_OBJECTS):
        if f"{key}{index}" not in group.attrs:
            break
        names += _list(group, f"{key}{index}")
    return names


def _once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise RefusedFileError(f"names {ascii(max(names, key=names.count))[:80]} twice")
    return names


def _list(group: h5py.Group, key: str) -> list[str]:
    values = np.asarray(_attribute(group, key)).reshape(-1)
    if len(values) and values.dtype.kind not in "SUO":
        raise RefusedFileError(f"has {key} that are no names")
    return [_decoded(value) for value in values]


def _text(group: h5py.Group, key: str) -> str:
    """An attribute's text; empty where there is none."""
    value = _attribute(group, key) if key in group.attrs else ""
    return _decoded(value)


def _attribute(group: h5py.Group, key: str) -> object:
    """An attribute, once it is known to be short and of text or nothing."""
    opened = h5py.h5a.open(group.id, key.encode())
    count = opened.get_space().get_simple_extent_npoints()
    is_text = opened.get_type().get_class() == h5py.h5t.STRING
    if count == 0:
        return []
    if not is_text or count > _MAX_OBJECTS or opened.get_storage_size() > _MAX_TEXT:
        raise RefusedFileError(f"has an attribute {key} that Keras does not write")
    return group.attrs[key]


def _decoded(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        raise RefusedFileError("has names that are no text")
    return value


def _bound(length: int) -> None:
    """Takes away what reading a file does not need."""
    limits = {
        resource.RLIMIT_AS: _MEMORY_BYTES + 8 * length,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 16,
        resource.RLIMIT_NPROC: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def answered(path: str, length: int) -> tuple[int, bytes, str]:
    """Exit status, what :func:`main` gives, and why it gives nothing.

    Args:
        path: The file.
        length: Its bytes.
    """
    try:
        return 0, main(path, length), ""
    except RefusedFileError as error:
        problem = str(error)
    except MemoryError:
        problem = "wants more memory than its length allows"
    except RecursionError:
        problem = "holds groups inside groups without end"
    except Exception as error:  # h5py raises anything on a damaged file
        line = ascii(" ".join(str(error).split()))[1:-1]
        problem = f"is truncated, damaged or no HDF5 file ({line[:120]})"
    return REFUSED, b"", problem


if __name__ == "__main__":
    _bound(int(sys.argv[2]))
    exit_status, tensors, why = answered(sys.argv[1], int(sys.argv[2]))
    sys.stdout.buffer.write(tensors)
    sys.stderr.write(why)
    sys.exit(exit_status)
