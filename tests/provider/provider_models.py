"""Small sparse networks for tests of the execution provider, converted and not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import ort_sparse
from ort_sparse.op import DOMAIN, OP_VERSION

CHANNELS = 32
X_SHAPE = ("n", CHANNELS, "h", "w")


def sparse_weights(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return weights of a 1x1 convolution, nine of ten of which are zero."""
    weights = rng.standard_normal((rows, columns, 1, 1)) * (rng.random((rows, columns, 1, 1)) < 0.1)
    return weights.astype(np.float32)


def block(rng: np.random.Generator, x: str, y: str, prefix: str = ""):
    """Return nodes and initializers of a residual block: 1x1, depthwise 3x3, 1x1.

    One node has no name, and the Clip leaves out its minimum.
    """
    inside = 2 * CHANNELS
    name = {key: prefix + key for key in ("w1", "b1", "w2", "w3", "six", *"abcde")}
    constants = {
        "w1": sparse_weights(rng, inside, CHANNELS),
        "b1": rng.standard_normal(inside).astype(np.float32),
        "w2": rng.standard_normal((inside, 1, 3, 3)).astype(np.float32) / 3,
        "w3": sparse_weights(rng, CHANNELS, inside),
        "six": np.float32(6),
    }
    nodes = [
        helper.make_node("Conv", [x, name["w1"], name["b1"]], [name["a"]], name=prefix + "expand"),
        helper.make_node("Relu", [name["a"]], [name["b"]]),
        helper.make_node(
            "Conv",
            [name["b"], name["w2"]],
            [name["c"]],
            name=prefix + "depthwise",
            pads=[1, 1, 1, 1],
            group=inside,
        ),
        helper.make_node("Clip", [name["c"], "", name["six"]], [name["d"]], name=prefix + "clip"),
        helper.make_node("Conv", [name["d"], name["w3"]], [name["e"]], name=prefix + "project"),
        helper.make_node("Add", [name["e"], x], [y], name=prefix + "add"),
    ]
    tensors = [numpy_helper.from_array(array, name[key]) for key, array in constants.items()]
    return nodes, tensors


def make_model(nodes, inputs, outputs, tensors) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "network", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, OP_VERSION)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def float_value(name: str, shape: Sequence[int | str] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def network(seed: int = 0) -> onnx.ModelProto:
    """Return a network of standard operators, X -> Y, of dynamic batch, height and width."""
    nodes, tensors = block(np.random.default_rng(seed), "X", "Y")
    return make_model(nodes, [float_value("X", X_SHAPE)], [float_value("Y", X_SHAPE)], tensors)


def converted_network(seed: int = 0) -> onnx.ModelProto:
    """Return the same with its 1x1 convolutions as SparseConv1x1."""
    return ort_sparse.convert(network(seed), layers="all")


def branching_network() -> onnx.ModelProto:
    """Return a network with an If of two blocks, one on weights of the graph outside."""
    rng = np.random.default_rng(3)
    then_nodes, outer = block(rng, "X", "then_y", "then_")
    else_nodes, inner = block(rng, "X", "else_y", "else_")
    then_branch = helper.make_graph(then_nodes, "then", [], [float_value("then_y", None)])
    else_branch = helper.make_graph(else_nodes, "else", [], [float_value("else_y", None)], inner)
    main, tensors = block(rng, "B", "Y", "main_")
    branch = helper.make_node(
        "If", ["which"], ["B"], name="if", then_branch=then_branch, else_branch=else_branch
    )
    which = helper.make_tensor_value_info("which", TensorProto.BOOL, [])
    return make_model(
        [branch, *main],
        [float_value("X", X_SHAPE), which],
        [float_value("Y", X_SHAPE)],
        [*outer, *tensors],
    )


def looping_network() -> onnx.ModelProto:
    """Return a network with a Loop, whose body is a block that no value from outside comes to."""
    rng = np.random.default_rng(4)
    body_nodes, inner = block(rng, "before", "after", "body_")
    body = helper.make_graph(
        [*body_nodes, helper.make_node("Identity", ["go"], ["go_on"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            float_value("before", X_SHAPE),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            float_value("after", X_SHAPE),
        ],
        inner,
    )
    main, tensors = block(rng, "L", "Y", "main_")
    loop = helper.make_node("Loop", ["times", "", "X"], ["L"], name="loop", body=body)
    times = helper.make_tensor_value_info("times", TensorProto.INT64, [])
    return make_model(
        [loop, *main], [float_value("X", X_SHAPE), times], [float_value("Y", X_SHAPE)], tensors
    )
