"""Makes a stranger's ONNX graph plain: known operations, own names, numbers inside the file.

Only :mod:`exray.models.checkpoints.onnx.worker` imports it, in a process of its own.
"""

import math
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto

from exray.models.checkpoints.onnx.operator_set import lower_operator_set

MAX_BYTES = 2**31 - 1  # of a protobuf message
_MAX_NODES = 50_000
_MAX_SIDES = 8
_DOMAINS = ("", "ai.onnx")
# Bytes of a number of each type that weights, sizes and indices have.
_ITEM_BYTES = {
    TensorProto.FLOAT: 4, TensorProto.DOUBLE: 8, TensorProto.FLOAT16: 2,
    TensorProto.INT64: 8, TensorProto.INT32: 4, TensorProto.INT16: 2, TensorProto.INT8: 1,
    TensorProto.UINT8: 1, TensorProto.BOOL: 1,
}  # fmt: skip
_TYPED = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
_PLAIN_ATTRIBUTES = (
    onnx.AttributeProto.FLOAT, onnx.AttributeProto.INT, onnx.AttributeProto.STRING,
    onnx.AttributeProto.TENSOR, onnx.AttributeProto.FLOATS, onnx.AttributeProto.INTS,
    onnx.AttributeProto.STRINGS,
)  # fmt: skip


class RefusedGraphError(ValueError):
    """A graph that is not read; the text is a clause."""


@dataclass(frozen=True, kw_only=True)
class PlainGraph:
    """A graph as exporters write it for an image classifier.

    Args:
        model: With names of our own, and all numbers inside it.
        operations: How often each operation occurs.
        files: Names of the files beside it that its numbers were read from.
        sides: Of its input, images first; 0 where any length will do.
    """

    model: onnx.ModelProto
    operations: dict[str, int]
    files: tuple[str, ...]
    sides: tuple[int, ...]


def plain_graph(path: Path) -> PlainGraph:
    """A file's graph, made plain.

    Names are replaced: a converter writes them into Python code that it compiles. Operations of
    other domains, those with graphs inside them (loops, branches) and functions are refused; every
    tensor has as many numbers as it claims; numbers outside the file lie in the same folder.

    Args:
        path: The file.

    Raises:
        RefusedGraphError: If it holds anything else.
    """
    model = onnx.ModelProto.FromString(path.read_bytes())
    graph = model.graph
    if not graph.node:
        raise RefusedGraphError("is no ONNX graph: it has no operation")
    if len(graph.node) > _MAX_NODES:
        raise RefusedGraphError(f"has more than {_MAX_NODES} operations")
    if model.functions or graph.sparse_initializer or model.training_info:
        raise RefusedGraphError("holds functions, sparse tensors or training, not a graph alone")
    files: dict[str, None] = {}
    for tensor in graph.initializer:
        _fill(tensor, path.parent, files)
    operations: dict[str, int] = {}
    for node in graph.node:
        _check_node(node)
        operations[node.op_type] = operations.get(node.op_type, 0) + 1
    sides = _input_sides(graph)
    _rename(graph)
    _strip(model)
    lower_operator_set(model)
    return PlainGraph(model=model, operations=operations, files=tuple(files), sides=sides)


def _check_node(node: onnx.NodeProto) -> None:
    """Refuses an operation that is not of the standard, or holds a graph."""
    name = ascii(node.op_type)[:60]
    if node.domain not in _DOMAINS:
        raise RefusedGraphError(f"has an operation {name} of its own ({ascii(node.domain)[:60]})")
    for attribute in node.attribute:
        if attribute.type not in _PLAIN_ATTRIBUTES or attribute.ref_attr_name:
            raise RefusedGraphError(f"has an operation {name} that holds a graph, as loops do")
        if attribute.type == onnx.AttributeProto.TENSOR:
            _fill(attribute.t, None, {})


def _fill(tensor: TensorProto, folder: Path | None, files: dict[str, None]) -> None:
    """Brings a tensor's numbers into the graph, if there are as many as it claims."""
    name = ascii(tensor.name)[:60]
    if tensor.data_type not in _ITEM_BYTES:
        raise RefusedGraphError(f"holds {name} as numbers of a type that weights do not have")
    if len(tensor.dims) > _MAX_SIDES or any(side < 0 for side in tensor.dims):
        raise RefusedGraphError(f"holds {name} with a shape that weights do not have")
    count = math.prod(tensor.dims)
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        if folder is None:
            raise RefusedGraphError(f"keeps the numbers of {name} in another file")
        tensor.raw_data = _outside(tensor, folder, files, count * _ITEM_BYTES[tensor.data_type])
        del tensor.external_data[:]
        tensor.data_location = TensorProto.DEFAULT
    typed = sum(len(getattr(tensor, field)) for field in _TYPED)
    stored = len(tensor.raw_data) / _ITEM_BYTES[tensor.data_type] + typed
    if stored != count or (typed and tensor.raw_data) or tensor.segment.ByteSize():
        raise RefusedGraphError(f"claims {count} numbers for {name}, which has {stored:g}")


def _outside(tensor: TensorProto, folder: Path, files: dict[str, None], length: int) -> bytes:
    """A tensor's numbers out of a file of the same folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    if name in ("", ".", "..") or any(mark in name for mark in "/\\\0"):
        raise RefusedGraphError(f"keeps numbers in {ascii(name)[:80]}, outside its own folder")
    path = folder / name
    target = path.resolve()
    if not target.is_relative_to(folder.resolve()):
        raise RefusedGraphError(f"keeps numbers in {ascii(name)[:80]}, a link out of its folder")
    if not path.exists() or not stat.S_ISREG(target.stat().st_mode):
        raise RefusedGraphError(f"keeps numbers in {ascii(name)[:80]}, which is no file beside it")
    offset, claimed = (_whole(entries.get(key)) for key in ("offset", "length"))
    start = offset or 0
    size = path.stat().st_size
    if claimed not in (None, length) or start + length > size:
        raise RefusedGraphError(
            f"claims {length} bytes of {ascii(name)[:80]} from {start} on, which has {size}"
        )
    files[name] = None
    with path.open("rb") as file:
        file.seek(start)
        numbers: bytes = file.read(length)
    return numbers


def _whole(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise RefusedGraphError(f"has numbers from {ascii(text)[:40]} on, which is no place")
    return int(text)


def _input_sides(graph: onnx.GraphProto) -> tuple[int, ...]:
    """The sides of the one input, with 0 for any."""
    known = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in known]
    if len(inputs) != 1:
        raise RefusedGraphError(f"takes {len(inputs)} inputs; a classifier of images takes one")
    kind = inputs[0].type.tensor_type
    sides = tuple(side.dim_value for side in kind.shape.dim)
    if len(sides) != 4 or any(not 0 <= side <= 16384 for side in sides):
        raise RefusedGraphError(
            f"takes an input of {len(sides)} dimensions; a classifier of images takes four"
        )
    if kind.elem_type != TensorProto.FLOAT:
        raise RefusedGraphError("takes an input that is not of float32; export it in float32")
    return sides


def _check_name(name: str) -> None:
    """Refuses a name that is Python code where a converter writes it between quotation marks."""
    if any(mark in name for mark in "\"'\\\n\r"):
        raise RefusedGraphError(f"has a name that is written to be run ({ascii(name)[:80]})")


def _rename(graph: onnx.GraphProto) -> None:
    """Numbers for all names, which are a stranger's text."""
    names: dict[str, str] = {"": ""}

    def renamed(values: Iterable[str]) -> list[str]:
        for value in values:
            _check_name(value)
        return [names.setdefault(value, f"v{len(names)}") for value in values]

    for values in (graph.initializer, graph.input, graph.output):
        for value in values:
            (value.name,) = renamed([value.name])
    for place, node in enumerate(graph.node):
        _check_name(node.name)
        node.name = f"n{place}"
        for values in (node.input, node.output):
            changed = renamed(list(values))
            del values[:]
            values.extend(changed)
    graph.name = "graph"


def _strip(model: onnx.ModelProto) -> None:
    """Takes away what no computation needs."""
    del model.graph.value_info[:]
    del model.graph.quantization_annotation[:]
    for version in list(model.opset_import):
        if version.domain not in _DOMAINS:
            model.opset_import.remove(version)
    for version in model.opset_import:
        version.domain = ""
    for node in model.graph.node:
        node.domain = node.doc_string = ""
        del node.metadata_props[:]
    for field in ("doc_string", "producer_name", "producer_version", "domain"):
        model.ClearField(field)
    model.graph.ClearField("doc_string")
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
