"""ONNX files made to harm: a graph is data, and some of it is meant for whoever converts it."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIDES = ["n", 3, 8, 8]


def model(nodes, initializers=(), **more):
    """The bytes of a graph from images to logits."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, SIDES)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        list(initializers),
        **more,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made


def weights(**changes):
    """A kernel of one pixel for four classes; fields as they are told."""
    tensor = numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), "kernel")
    for field, value in changes.items():
        if field == "dims":
            del tensor.dims[:]
            tensor.dims.extend(value)
        else:
            setattr(tensor, field, value)
    return tensor


def pooled(**names):
    """A convolution, and the mean of each channel."""
    return [
        helper.make_node("Conv", ["images", "kernel"], ["features"], **names),
        helper.make_node("GlobalAveragePool", ["features"], ["means"]),
        helper.make_node("Flatten", ["means"], ["logits"]),
    ]


def plain():
    """A graph with nothing wrong."""
    return model(pooled(), [weights()])


def external(**entries):
    """A kernel whose numbers lie in another file."""
    tensor = weights()
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return model(pooled(), [tensor])


def body(name):
    """A graph inside an operation."""
    return helper.make_graph(
        [helper.make_node("Identity", [name], ["out"])],
        "body",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )


def loop():
    """A loop of 2**62 rounds."""
    count = numpy_helper.from_array(np.array(2**62), "count")
    inner = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Exp", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    node = helper.make_node("Loop", ["count", "", "images"], ["logits"], body=inner)
    return model([node], [count])


def nested(depth):
    """Branches inside branches, as protobuf's own bytes: field 5 in 6 in 1 and so on."""
    data = b""
    for _ in range(depth):
        node = _field(5, _field(6, data))
        data = _field(1, node)
    return b"\x08\x08" + _field(7, data)


def _field(number, data):
    length, sized = len(data), b""
    while length > 127:
        sized += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + sized + bytes([length]) + data


def function():
    """A function that calls itself."""
    made = plain()
    call = helper.make_node("Again", ["x"], ["y"], domain="own")
    made.functions.append(
        helper.make_function("own", "Again", ["x"], ["y"], [call], [helper.make_opsetid("own", 1)])
    )
    return made


def bomb():
    """Zeros of four terabytes out of sixteen bytes."""
    shape = numpy_helper.from_array(np.array([2**20, 2**20]), "shape")
    nodes = [
        *pooled()[:2],
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("Add", ["flat", "zero"], ["logits"]),
    ]
    return model(nodes, [weights(), shape])


def code(canary):
    """A name that a converter would write into the Python code that it compiles."""
    return f'n")(0) or __import__("pathlib").Path("{canary}").touch() or ("'


def sparse():
    made = plain()
    made.graph.sparse_initializer.add(values=weights())
    return made


def cyclic():
    nodes = [helper.make_node("Add", ["images", "logits"], ["logits"])]
    return model(nodes)


ONNX = {
    "ONNX: numbers in ../": lambda _: external(location="../secret"),
    "ONNX: numbers in /etc": lambda _: external(location="/etc/passwd"),
    "ONNX: numbers in a file that is not there": lambda _: external(location="weights.data"),
    "ONNX: numbers beyond the end of a file": lambda _: external(location="model.pt", offset=2**40),
    "ONNX: numbers from a place that is none": lambda _: external(location="model.pt", offset="-1"),
    "ONNX: a tensor of 2**60 numbers": lambda _: model(pooled(), [weights(dims=[2**30, 2**30])]),
    "ONNX: a tensor of negative sides": lambda _: model(pooled(), [weights(dims=[-4, -3, 1, 1])]),
    "ONNX: a tensor of texts": lambda _: model(pooled(), [weights(data_type=TensorProto.STRING)]),
    "ONNX: an operation of its own": lambda _: model(
        [helper.make_node("Run", ["images"], ["logits"], domain="own")]
    ),
    "ONNX: an operation that nobody knows": lambda _: model(
        [helper.make_node("Run", ["images"], ["logits"])]
    ),
    "ONNX: a loop of 2**62 rounds": lambda _: loop(),
    "ONNX: a branch": lambda _: model(
        [helper.make_node("If", ["images"], ["logits"], then_branch=body("images"))]
    ),
    "ONNX: branches inside branches": lambda _: nested(5000),
    "ONNX: a function that calls itself": lambda _: function(),
    "ONNX: sparse weights": lambda _: sparse(),
    "ONNX: an operation that reads itself": lambda _: cyclic(),
    "ONNX: 50,001 operations": lambda _: model(
        [helper.make_node("Relu", ["images"], ["logits"]) for _ in range(50_001)]
    ),
    "ONNX: a name that is Python code": lambda canary: model(
        pooled(name=code(canary)), [weights()]
    ),
    "ONNX: four terabytes of zeros": lambda _: bomb(),
    "ONNX: cut off": lambda _: plain().SerializeToString()[:-9],
}
"""What writes each file's bytes, given a path that none of them may make."""


def written(made):
    """The bytes of a graph, or bytes as they are."""
    return made if isinstance(made, bytes) else made.SerializeToString()


ONNX = {case: (lambda canary, make=make: written(make(canary))) for case, make in ONNX.items()}
