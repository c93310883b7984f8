"""A later operator set is written back where it means the same."""

import hostile_onnx
import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("onnx2torch")

import onnx2torch
from onnx import helper, numpy_helper

from exray.models.checkpoints.onnx.operator_set import lower_operator_set


def lowered(nodes, initializers=(), version=20):
    model = hostile_onnx.model(nodes, initializers)
    model.opset_import[0].version = version
    lower_operator_set(model)
    return model


AXES = numpy_helper.from_array(np.array([2, 3]), "axes")


def test_a_reduction_takes_its_axes_as_an_attribute_again():
    node = helper.make_node("ReduceMean", ["images", "axes"], ["logits"], keepdims=0)
    model = lowered([node], [AXES])
    assert model.opset_import[0].version == 17
    (node,) = model.graph.node
    assert list(node.input) == ["images"]
    assert {one.name: list(one.ints) for one in node.attribute}["axes"] == [2, 3]


@pytest.mark.parametrize(
    ("node", "version"),
    [
        (helper.make_node("Relu", ["images"], ["logits"]), 17),
        (helper.make_node("Split", ["images"], ["logits", "b"], num_outputs=2), 17),
        (helper.make_node("AveragePool", ["images"], ["logits"], kernel_shape=[2, 2]), 17),
        (
            helper.make_node(
                "AveragePool", ["images"], ["logits"], kernel_shape=[2, 2], dilations=[2, 2]
            ),
            20,
        ),
        (helper.make_node("Pad", ["images", "axes"], ["logits"], mode="wrap"), 20),
        (helper.make_node("Resize", ["images", "", "axes"], ["logits"], mode="linear"), 17),
        (helper.make_node("Resize", ["images", "", "axes"], ["logits"], antialias=1), 20),
        (helper.make_node("GridSample", ["images", "axes"], ["logits"]), 20),
        (helper.make_node("ReduceMean", ["images", "computed"], ["logits"]), 20),
    ],
)
def test_what_changed_its_meaning_stays(node, version):
    assert lowered([node], [AXES]).opset_import[0].version == version


@pytest.mark.parametrize(
    ("kind", "values", "function"),
    [
        ("Gelu", {}, nn.functional.gelu),
        ("Gelu", {"approximate": "tanh"}, lambda x: nn.functional.gelu(x, approximate="tanh")),
        ("Mish", {}, nn.functional.mish),
    ],
)
def test_an_activation_of_a_later_set_is_written_out(kind, values, function):
    made = lowered([helper.make_node(kind, ["images"], ["logits"], **values)])
    assert made.opset_import[0].version == 17
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(onnx2torch.convert(made)(images), function(images))


@pytest.mark.parametrize(("shape", "is_kept"), [([2, -1], False), ([0, -1], True)])
def test_zeros_of_a_shape_keep_their_meaning(shape, is_kept):
    node = helper.make_node("Reshape", ["images", "shape"], ["logits"], allowzero=1)
    made = lowered([node], [numpy_helper.from_array(np.array(shape), "shape")], version=17)
    assert bool(made.graph.node[0].attribute) == is_kept


def test_an_older_set_stays():
    relu = helper.make_node("Relu", ["images"], ["logits"])
    assert lowered([relu], version=13).opset_import[0].version == 13
