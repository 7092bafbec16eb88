"""Layers with many zeros that stay dense, and the reasons given."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from pass_helpers import GraphBuilder, only

from ort_sparse.converters.passes import OtherLayer, find_other_layers, sparsify


def find(b: GraphBuilder, *outputs: str, **options) -> list[OtherLayer]:
    graph = ir.from_proto(b.model(*outputs, **options))
    sparsify(graph, min_sparsity=0.5)
    return find_other_layers(graph, min_sparsity=0.5)


@pytest.mark.parametrize(
    ("op_type", "shape", "given", "reason"),
    [
        ("Conv", (8, 12, 3, 3), {}, "kernel 3x3, but only 1x1 has a sparse form"),
        ("Conv", (12, 1, 3, 5), {"group": 12}, "depthwise 3x5, but only 1x1 has a sparse form"),
        (
            "Conv",
            (8, 12, 1, 1),
            {"pads": [1, 1, 1, 1]},
            "is padded",
        ),
        ("ConvTranspose", (12, 8, 2, 2), {}, "ConvTranspose has no sparse form"),
    ],
)
def test_convolutions(op_type, shape, given, reason):
    b = GraphBuilder()
    y = b.node(op_type, b.input(2, 12, 6, 6), b.weights(*shape), **given)
    layer = only(find(b, y))
    assert layer == OtherLayer(
        name="node0",
        kind=op_type,
        shape=shape,
        zeros=pytest.approx(0.8, abs=0.02),
        bytes=4 * int(np.prod(shape)),
        reason=reason,
    )


def computed(b: GraphBuilder, *shape: int, dtype: int = TensorProto.FLOAT) -> str:
    return b.node("Abs", b.input(*shape, dtype=dtype))


def padded(b: GraphBuilder) -> str:
    return b.node("Conv", b.input(1, 12, 4, 4), b.weights(8, 12, 1, 1), pads=[0, 0, 1, 1])


def computed_bias(b: GraphBuilder) -> str:
    return b.node("Conv", b.input(1, 12, 4, 4), b.weights(8, 12, 1, 1), computed(b, 8))


def computed_bias_of_gemm(b: GraphBuilder) -> str:
    return b.node("Gemm", b.input(2, 12), b.weights(12, 8), computed(b, 8))


def bias_for_each_item(b: GraphBuilder) -> str:
    return b.node("Gemm", b.input(2, 12), b.weights(12, 8), b.constant(np.ones((2, 8))))


def many_input_channels(b: GraphBuilder) -> str:
    return b.node("Conv", b.input(1, 12, 1, 1), b.weights(1, 12, 1, 1))


def many_cells(b: GraphBuilder) -> str:
    groups = 2**16
    x = b.input(1, groups, 1, 1)
    return b.node("Conv", x, b.weights(groups, 1, 1, 1), group=groups)


def quantized_activations(b: GraphBuilder) -> str:
    scale, zero = b.constant(0.1), b.constant(0, np.uint8)
    x = b.node("QuantizeLinear", b.input(1, 12, 4, 4), scale, zero)
    return b.node("Conv", b.node("DequantizeLinear", x, scale, zero), b.weights(8, 12, 1, 1))


def unknown_rank(b: GraphBuilder) -> str:
    x = b.node("Reshape", b.input(6, 12), b.input("rank", dtype=TensorProto.INT64))
    y = b.node("MatMul", x, b.weights(12, 8))
    return b.node("Reshape", y, b.constant([-1, 8], np.int64))


def high_rank(b: GraphBuilder) -> str:
    return b.node("MatMul", b.input(1, 1, 1, 2, 2, 12), b.weights(12, 8))


def vector(b: GraphBuilder) -> str:
    return b.node("MatMul", b.input(12), b.weights(12, 8))


def constant_on_the_left(b: GraphBuilder) -> str:
    return b.node("MatMul", b.weights(8, 12), b.input(2, 3, 12, 5))


def batch_of_weights(b: GraphBuilder) -> str:
    return b.node("MatMul", b.input(2, 5, 12), b.weights(2, 12, 8))


def transposed_input(b: GraphBuilder) -> str:
    return b.node("Gemm", b.input(12, 2), b.weights(12, 8), transA=1)


def einsum(b: GraphBuilder) -> str:
    return b.node("Einsum", b.input(2, 5, 12), b.weights(12, 8), equation="bnk,km->bnm")


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (padded, "is padded"),
        (computed_bias, "its bias is computed"),
        (computed_bias_of_gemm, "its bias is computed"),
        (bias_for_each_item, "its bias is not one number for each output channel"),
        (many_input_channels, "has more than 11 input channels"),
        (many_cells, "its matrix has more than 2147483647 cells"),
        (quantized_activations, "its activations are quantized"),
        (unknown_rank, "the rank of its input is unknown"),
        (high_rank, "its input has rank 6, but must have at most 5"),
        (vector, "its input has rank 1, but must have at least 2"),
        (constant_on_the_left, "its input on the right has rank 4, but must have 2 or 3"),
        (batch_of_weights, "its weights are 2 matrices"),
        (transposed_input, "its input is transposed"),
        (einsum, "Einsum has no sparse form"),
    ],
)
def test_each_rule_has_its_own_reason(build, reason, monkeypatch):
    if build is many_input_channels:
        monkeypatch.setattr("ort_sparse.converters.passes.pointwise.MAX_COLUMNS", 11)
    b = GraphBuilder()
    assert only(find(b, build(b))).reason == reason


def test_weights_that_a_graph_input_gives():
    b = GraphBuilder()
    y = b.node("Conv", b.input(1, 12, 4, 4), b.input(8, 12, 1, 1))
    z = b.node("Gemm", b.input(2, 12), computed(b, 12, 8))
    product_of_activations = b.node("MatMul", b.input(2, 12), b.input(12, 8))
    conv, gemm = find(b, y, z, product_of_activations)
    assert (conv.reason, conv.shape) == (
        "its weights 'input1' are an input of the model",
        (8, 12, 1, 1),
    )
    assert gemm.reason == "its weights are computed from an input of the model"
    assert conv.zeros is None
    assert gemm.zeros is None


def test_weights_that_are_an_input_with_a_default():
    b = GraphBuilder()
    model = b.model(b.node("Conv", b.input(1, 12, 4, 4), b.weights(8, 12, 1, 1)))
    model.graph.input.append(
        helper.make_tensor_value_info("constant0", TensorProto.FLOAT, (8, 12, 1, 1))
    )
    graph = ir.from_proto(model)
    assert sparsify(graph, min_sparsity=0.5) == []
    layer = only(find_other_layers(graph, min_sparsity=0.5))
    assert layer.reason == "its weights 'constant0' are an input of the model, with a default"
    assert layer.zeros == pytest.approx(0.8, abs=0.02)
    assert find_other_layers(graph, min_sparsity=0.9) == []


@pytest.mark.parametrize("zeros", [0.8, 0.2])
def test_weights_with_a_norm(zeros):
    """Weight norm: direction over its length, times a learned scale, at run time."""
    b = GraphBuilder()
    direction = b.weights(8, 12, zeros=zeros)
    length = b.node("ReduceL2", direction, axes=[1])
    weights = b.node("Mul", b.node("Div", direction, length), b.constant(np.ones((8, 1))))
    y = b.node("MatMul", b.input(2, 5, 12), b.node("Transpose", weights, perm=[1, 0]))
    layers = find(b, y)
    if zeros < 0.5:
        assert layers == []
        return
    layer = only(layers)
    assert layer.reason == (
        "its weights are the result of ReduceL2, Div, Mul, Transpose, not a constant"
    )
    assert layer.zeros == pytest.approx(zeros, abs=0.02)
    assert layer.shape == (12, 8)


@pytest.mark.parametrize("zero_point", [None, 3])
def test_weights_that_are_dequantized_by_blocks(zero_point):
    b = GraphBuilder(opset=21)
    numbers = np.where(b.sparse(12, 8), 7, zero_point or 0)
    inputs = [b.constant(numbers, np.int8), b.constant(np.full((3, 8), 0.1))]
    if zero_point is not None:
        inputs.append(b.constant(np.full((3, 8), zero_point), np.int8))
    weights = b.node("DequantizeLinear", *inputs, axis=0, block_size=4)
    layer = only(find(b, b.node("MatMul", b.input(2, 5, 12), weights)))
    assert layer.reason == "its weights are dequantized by blocks"
    assert layer.zeros == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("zero_points", [np.array(3), np.full(8, 3)])
def test_quantized_layers(zero_points):
    b = GraphBuilder()
    scale, zero = b.constant(0.1), b.constant(0, np.uint8)
    kernel = np.where(b.sparse(8, 12, 1, 1), 9, 3)
    scales = b.constant(np.full(zero_points.shape, 0.1))
    y = b.node(
        "QLinearConv",
        *(b.input(1, 12, 4, 4, dtype=TensorProto.UINT8), scale, zero),
        *(b.constant(kernel, np.uint8), scales, b.constant(zero_points, np.uint8), scale, zero),
    )
    matrix = b.constant(np.where(b.sparse(12, 8), 9, 3), np.uint8)
    a = b.input(2, 12, dtype=TensorProto.UINT8)
    z = b.node("MatMulInteger", a, matrix, zero, b.constant(zero_points, np.uint8))
    conv, product = find(b, b.node("DequantizeLinear", y, scale, zero), b.node("Cast", z, to=1))
    assert conv.reason == product.reason == "its activations are quantized"
    assert conv.zeros == pytest.approx(0.8, abs=0.02)
    assert product.zeros == pytest.approx(0.8, abs=0.02)
    assert (conv.kind, product.kind) == ("QLinearConv", "MatMulInteger")


def test_other_types():
    b = GraphBuilder()
    x = b.input(2, 12, dtype=TensorProto.DOUBLE)
    y = b.node("MatMul", x, b.weights(12, 8, dtype=np.float64))
    assert only(find(b, y, dtype=TensorProto.DOUBLE)).reason == "its weights are float64"


def test_subgraphs():
    b = GraphBuilder()
    x, weights = b.input(1, 12, 4, 4), b.weights(8, 12, 1, 1)
    conv = helper.make_node("Conv", [x, weights], ["y"])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8, 4, 4))
    body = helper.make_graph([conv], "body", [], [output])
    layers = find(b, b.node("If", b.constant(True, bool), then_branch=body, else_branch=body))
    assert [layer.reason for layer in layers] == ["lies in a subgraph"] * 2


def test_layers_that_could_be_sparse_and_those_with_few_zeros_do_not_count():
    b = GraphBuilder()
    y = b.conv(b.input(1, 12, 4, 4), 8, 12)
    y = b.node("Conv", y, b.weights(8, 8, 1, 1, zeros=0.4))
    assert find(b, b.node("Conv", y, b.weights(8, 8, 3, 3, zeros=0.4))) == []


def test_a_scale_for_blocks_that_do_not_fit_asks_for_no_memory():
    """A million zero points repeated a million times would be a terabyte."""
    b = GraphBuilder(opset=21)
    size = 10**6
    numbers, scales = b.constant(np.zeros((size, 1)), np.int8), b.constant(np.ones((1, 1)))
    zeros = b.constant(np.zeros((size, 1)), np.int8)
    weights = b.node("DequantizeLinear", numbers, scales, zeros, axis=0, block_size=size)
    y = b.node("MatMul", b.input(1, 2, size), weights)
    graph = ir.from_proto(b.model(y))
    assert only(find_other_layers(graph, min_sparsity=0.5)).reason == (
        "its weights are dequantized by blocks"
    )
