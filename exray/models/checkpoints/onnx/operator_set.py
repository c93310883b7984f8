"""Rewrites a graph for the operator set that the converter knows.

Only :mod:`exray.models.checkpoints.onnx.worker` imports it, in a process of its own.
"""

import onnx
from onnx import helper, numpy_helper

KNOWN = 17  # operator set; later ones are written back to it where they mean the same
# What later sets compute in another way, or add.
_CHANGED = {
    "AffineGrid", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "CenterCropPad", "Col2Im",
    "DFT", "DequantizeLinear", "Gelu", "GridSample", "GroupNormalization", "LpPool", "Mish",
    "QuantizeLinear", "Resize", "ScatterElements", "ScatterND", "Attention",
    "RMSNormalization", "RotaryEmbedding", "Swish",
}  # fmt: skip
_REDUCTIONS = {
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSumSquare",
}  # fmt: skip


def lower_operator_set(model: onnx.ModelProto) -> None:
    """Writes a graph of a later operator set as one of set 17, where it means the same.

    Between the sets most operations gained types alone. Reductions take their axes as an attribute
    again, ``Split`` into equal parts and ``Pad`` need no change. A graph with an operation that
    really changed stays as it is, for the converter to judge.

    Args:
        model: With numbers inside it; changed in place.
    """
    version = next((one for one in model.opset_import if one.domain == ""), None)
    if version is None or version.version <= KNOWN:
        return
    numbers = {tensor.name: tensor for tensor in model.graph.initializer}
    numbers |= {node.output[0]: _constant(node) for node in model.graph.node if _is_constant(node)}
    if not all(_can_be_lowered(node, numbers) for node in model.graph.node):
        return
    for node in model.graph.node:
        if node.op_type in _REDUCTIONS and len(node.input) > 1:
            axes = numpy_helper.to_array(numbers[node.input[1]]).tolist() if node.input[1] else []
            del node.input[1:]
            if axes:
                node.attribute.append(helper.make_attribute("axes", axes))
            _drop(node, "noop_with_empty_axes")
        elif node.op_type == "Split":
            _drop(node, "num_outputs")
    version.version = KNOWN


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
    return node.op_type not in _CHANGED


def _is_constant(node: onnx.NodeProto) -> bool:
    return node.op_type == "Constant" and [one.name for one in node.attribute] == ["value"]


def _constant(node: onnx.NodeProto) -> onnx.TensorProto:
    return node.attribute[0].t


def _drop(node: onnx.NodeProto, name: str) -> None:
    for attribute in list(node.attribute):
        if attribute.name == name:
            node.attribute.remove(attribute)
