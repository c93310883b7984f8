"""Rewrites a graph for the operator set that the converter knows.

Only :mod:`exray.models.checkpoints.onnx.worker` imports it, in a process of its own.
"""

import math
from collections.abc import Callable

import onnx
from onnx import helper, numpy_helper

KNOWN = 17  # operator set; later ones are written back to it where they mean the same
# What later sets compute in another way, or add.
_CHANGED = {
    "AffineGrid", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "CenterCropPad", "Col2Im",
    "DFT", "DequantizeLinear", "GridSample", "GroupNormalization", "LpPool",
    "QuantizeLinear", "ScatterElements", "ScatterND", "Attention",
    "RMSNormalization", "RotaryEmbedding", "Swish",
}  # fmt: skip
_REDUCTIONS = {
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSumSquare",
}  # fmt: skip
_NEW_OF_RESIZE = {"antialias", "axes", "keep_aspect_ratio_policy"}


def lower_operator_set(model: onnx.ModelProto) -> None:
    """Writes a graph of a later operator set as one of set 17, where it means the same.

    Between the sets most operations gained types alone. Reductions take their axes as an attribute
    again, ``Split`` into equal parts, ``Resize`` and ``Pad`` need no change, ``Gelu`` and ``Mish``
    are written out. A graph with an operation that really changed stays as it is, for the converter
    to judge. In any set, ``allowzero`` goes where it means nothing.

    Args:
        model: With numbers inside it; changed in place.
    """
    numbers = {tensor.name: tensor for tensor in model.graph.initializer}
    numbers |= {node.output[0]: _constant(node) for node in model.graph.node if _is_constant(node)}
    for node in model.graph.node:
        if node.op_type == "Reshape" and not _has_zero(numbers.get(node.input[1])):
            _drop(node, "allowzero")
    version = next((one for one in model.opset_import if one.domain == ""), None)
    if version is None or version.version <= KNOWN:
        return
    if not all(_can_be_lowered(node, numbers) for node in model.graph.node):
        return
    nodes = [lowered for node in model.graph.node for lowered in _lowered(node, numbers)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    version.version = KNOWN


def _lowered(node: onnx.NodeProto, numbers: dict[str, onnx.TensorProto]) -> list[onnx.NodeProto]:
    """What stands for an operation in set 17."""
    if node.op_type in _WRITTEN_OUT:
        return _WRITTEN_OUT[node.op_type](node)
    if node.op_type in _REDUCTIONS and len(node.input) > 1:
        axes = numpy_helper.to_array(numbers[node.input[1]]).tolist() if node.input[1] else []
        del node.input[1:]
        if axes:
            node.attribute.append(helper.make_attribute("axes", axes))
        _drop(node, "noop_with_empty_axes")
    elif node.op_type == "Split":
        _drop(node, "num_outputs")
    elif node.op_type == "Resize":
        for name in _NEW_OF_RESIZE:
            _drop(node, name)
    return [node]


def _can_be_lowered(node: onnx.NodeProto, numbers: dict[str, onnx.TensorProto]) -> bool:
    values = {attribute.name: attribute for attribute in node.attribute}
    if node.op_type in _REDUCTIONS and len(node.input) > 1:
        return not node.input[1] or node.input[1] in numbers
    if node.op_type == "Split":  # into equal parts, or into parts that are said
        return len(node.input) > 1 or "num_outputs" in values
    if node.op_type == "Pad":
        mode = values["mode"].s if "mode" in values else b"constant"
        return len(node.input) <= 3 and mode != b"wrap"
    if node.op_type == "AveragePool":
        return "dilations" not in values or set(values["dilations"].ints) == {1}
    if node.op_type == "Resize":
        return _is_plain_resize(values)
    return node.op_type not in _CHANGED


def _is_plain_resize(values: dict[str, onnx.AttributeProto]) -> bool:
    """Whether a Resize uses nothing that came after set 13."""
    policy = values.get("keep_aspect_ratio_policy")
    mode = values.get("coordinate_transformation_mode")
    return (
        "axes" not in values
        and ("antialias" not in values or values["antialias"].i == 0)
        and (policy is None or policy.s == b"stretch")
        and (mode is None or mode.s != b"half_pixel_symmetric")
    )


def _gelu(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Gelu: x / 2 (1 + erf(x / sqrt 2)), or tanh instead, as set 20 defines it."""
    approximate = next((one.s for one in node.attribute if one.name == "approximate"), b"none")
    (x,), (y,) = node.input, node.output
    steps = _Steps(y)
    if approximate == b"tanh":
        cube = steps.add("Mul", steps.add("Mul", x, x), x)
        sum_ = steps.add("Add", x, steps.add("Mul", cube, steps.number(0.044715)))
        bend = steps.add("Tanh", steps.add("Mul", sum_, steps.number(math.sqrt(2 / math.pi))))
    else:
        bend = steps.add("Erf", steps.add("Mul", x, steps.number(math.sqrt(0.5))))
    share = steps.add("Mul", steps.add("Add", bend, steps.number(1.0)), steps.number(0.5))
    return steps.ending("Mul", x, share)


def _mish(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Mish: x tanh(log(1 + exp x))."""
    (x,), (y,) = node.input, node.output
    steps = _Steps(y)
    return steps.ending("Mul", x, steps.add("Tanh", steps.add("Softplus", x)))


_WRITTEN_OUT: dict[str, Callable[[onnx.NodeProto], list[onnx.NodeProto]]] = {
    "Gelu": _gelu,
    "Mish": _mish,
}


class _Steps:
    """Operations one after the other, whose outputs are called after the last."""

    def __init__(self, output: str) -> None:
        self.output = output
        self.nodes: list[onnx.NodeProto] = []

    def add(self, kind: str, *inputs: str) -> str:
        """One more operation; the name of its output."""
        name = f"{self.output}s{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name))
        return name

    def number(self, value: float) -> str:
        """One more constant; its name."""
        name = self.add("Constant")
        tensor = helper.make_tensor(name, onnx.TensorProto.FLOAT, [], [value])
        self.nodes[-1].attribute.append(helper.make_attribute("value", tensor))
        return name

    def ending(self, kind: str, *inputs: str) -> list[onnx.NodeProto]:
        """All operations, this one last."""
        return [*self.nodes, helper.make_node(kind, inputs, [self.output], name=self.output)]


def _has_zero(shape: onnx.TensorProto | None) -> bool:
    """Whether a constant shape has a side of 0; one that is computed has none for any image."""
    return shape is not None and 0 in numpy_helper.to_array(shape)


def _is_constant(node: onnx.NodeProto) -> bool:
    return node.op_type == "Constant" and [one.name for one in node.attribute] == ["value"]


def _constant(node: onnx.NodeProto) -> onnx.TensorProto:
    return node.attribute[0].t


def _drop(node: onnx.NodeProto, name: str) -> None:
    for attribute in list(node.attribute):
        if attribute.name == name:
            node.attribute.remove(attribute)
