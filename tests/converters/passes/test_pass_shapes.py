"""Shapes that onnx does not infer."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto
from pass_helpers import GraphBuilder, op_types, rewrite

from ort_sparse.converters.passes.shapes import infer_shapes

OPSETS = (11, 13, 17)
"""onnx knows that a shape of known length gives a known rank from opset 14 on."""


def tensordot(b: GraphBuilder, x: str, rows: int, columns: int) -> str:
    """Add what Keras' Dense writes for an input of more than two axes, as tf2onnx translates it.

    Both shapes are computed from the input's; only their lengths are known.
    """
    shape = b.node("Cast", b.node("Shape", x), to=TensorProto.INT32)
    free = b.node("Gather", shape, b.constant([0, 1], np.int64))
    flat = b.node("ReduceProd", b.node("Cast", free, to=TensorProto.FLOAT), axes=[0])
    flat = b.node("Cast", flat, to=TensorProto.INT64)
    contracted = b.constant([columns], np.int64)
    matrix = b.node("Reshape", x, b.node("Concat", flat, contracted, axis=0))
    product = b.node("MatMul", matrix, b.weights(columns, rows))
    free = b.node("Cast", free, to=TensorProto.INT64)
    end = b.node("Concat", free, b.constant([rows], np.int64), axis=0)
    return b.node("Reshape", product, end)


def shapes(b: GraphBuilder, *outputs: str) -> list[list[object] | None]:
    graph = ir.from_proto(b.model(*outputs))
    for value in graph.graph.outputs:
        value.shape = None
    infer_shapes(graph)
    return [None if v.shape is None else [*v.shape] for v in graph.graph.outputs]


@pytest.mark.parametrize("opset", OPSETS)
def test_reshape_to_a_computed_shape_of_known_length(opset):
    b = GraphBuilder(opset=opset)
    y = b.node("Relu", tensordot(b, b.input("n", "l", 12), 8, 12))
    (shape,) = shapes(b, y)
    assert shape is not None
    assert len(shape) == 3


@pytest.mark.parametrize("opset", OPSETS)
def test_layers_behind_keras_tensordot_are_seen(opset):
    b = GraphBuilder(opset=opset)
    y = b.node("Relu", tensordot(b, b.input("n", "l", 12), 8, 12))
    y = tensordot(b, y, 16, 8)
    result, reports = rewrite(b.model_with_output_shapes(y))
    assert [report.shape for report in reports] == [(8, 12), (16, 8)]
    assert op_types(result).count("SparseConv1x1") == 2


@pytest.mark.parametrize("length", [None, 2**40])
def test_reshape_to_a_shape_of_unknown_or_absurd_length(length):
    b = GraphBuilder(opset=13)
    y = b.node("Reshape", b.input(6, 12), b.input(length, dtype=TensorProto.INT64))
    assert shapes(b, y) == [None]


def test_operators_that_keep_the_shape():
    """LayerNormalization came with opset 17; ONNX Runtime writes it into models of any."""
    b = GraphBuilder(opset=11)
    x, scale = b.input("n", "l", 12), b.vector(12)
    y = b.node("LayerNormalization", x, scale)
    y = b.node("SkipLayerNormalization", y, x, scale, domain="com.microsoft")
    y = b.node("BiasGelu", y, scale, domain="com.microsoft")
    z = b.node("MatMul", y, b.weights(12, 8))
    first, second = shapes(b, y, z)
    assert [str(size) for size in first] == ["n", "l", "12"]
    assert [str(size) for size in second] == ["n", "l", "8"]


def test_second_output_of_a_skip_layer_norm():
    b = GraphBuilder(opset=11)
    x, scale = b.input(1, 5, 12), b.vector(12)
    b.node("SkipLayerNormalization", x, x, scale, scale, domain="com.microsoft")
    b.nodes[-1].output.extend(["", "", "sum"])
    assert shapes(b, b.node("MatMul", "sum", b.weights(12, 8))) == [[1, 5, 8]]


@pytest.mark.parametrize(
    ("a", "b_shape", "given", "expected"),
    [
        ((2, 3, 4, 5), (2, 3, 4, 6), {"transA": 1}, [2, 3, 5, 6]),
        ((2, 3, 4, 5), (2, 3, 6, 5), {"transB": 1}, [2, 3, 4, 6]),
        ((2, 4, 5), (5, 6), {}, [2, 4, 6]),
        ((2, 5, 4), (6, 5), {"transA": 1, "transB": 1}, [2, 4, 6]),
    ],
)
def test_fused_matmul_of_activations(a, b_shape, given, expected):
    b = GraphBuilder()
    y = b.node("FusedMatMul", b.input(*a), b.input(*b_shape), domain="com.microsoft", **given)
    assert shapes(b, y) == [expected]


def test_attention():
    b = GraphBuilder()
    inputs = (b.input("n", "l", 12), b.weights(12, 36), b.vector(36))
    y = b.node("Attention", *inputs, domain="com.microsoft", num_heads=3)
    y = b.node("MatMul", y, b.weights(12, 8))
    ((n, length, rows),) = shapes(b, y)
    assert (str(n), str(length), rows) == ("n", "l", 8)


def test_inference_leaves_no_users_behind():
    """A value with another user would not fuse with what follows it."""
    b = GraphBuilder()
    b.node("FastGelu", b.node("Relu", b.input(1, 12)), domain="com.microsoft")
    graph = ir.from_proto(b.model(b.node("Relu", "value1")))
    infer_shapes(graph)
    assert [len(node.outputs[0].uses()) for node in graph.graph] == [1, 1, 0]
