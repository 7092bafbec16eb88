"""What scales and shifts each channel behind a layer."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from pass_helpers import GraphBuilder, array_of, only, op_types, rewrite, sparse_nodes

from ort_sparse.converters.passes import FuseAffinePass, sparsify


@pytest.mark.parametrize("shape", [(8, 1, 1), (1, 8, 1, 1), (1, 1, 1), (1,), ()])
@pytest.mark.parametrize("swapped", [False, True])
def test_constant_for_each_channel_or_one_for_all(shape, swapped):
    b = GraphBuilder()
    operands = [b.conv(b.input("N", 12, 5, 5), 8, 12), b.constant(b.rng.standard_normal(shape))]
    y = b.node("Add", *(operands[::-1] if swapped else operands))
    model, _ = rewrite(b.model(y))
    assert op_types(model) == ["SparseConv1x1"]
    assert len(model.graph.node[0].input) == 5


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 5), (2, 1, 1, 1), (8, 5, 5), (1, 1, 1, 1, 1)])
def test_constant_that_varies_along_another_axis_stays(shape):
    b = GraphBuilder()
    y = b.conv(b.input(2, 12, 5, 5), 8, 12)
    model, _ = rewrite(b.model(b.node("Add", y, b.constant(b.rng.standard_normal(shape)))))
    assert op_types(model) == ["SparseConv1x1", "Add"]


def test_constant_that_widens_a_single_channel_stays():
    b = GraphBuilder()
    y = b.conv(b.input(2, 12, 5, 5), 1, 12)
    model, _ = rewrite(b.model(b.node("Add", y, b.constant(np.ones((8, 1, 1))))))
    assert op_types(model) == ["SparseConv1x1", "Add"]


def test_several_additions():
    b = GraphBuilder()
    y = b.node("Conv", b.input(2, 12, 5, 5), b.weights(8, 12, 1, 1))
    for _ in range(3):
        y = b.node("Add", y, b.constant(b.rng.standard_normal((8, 1, 1))))
    model, _ = rewrite(b.model(y))
    assert op_types(model) == ["SparseConv1x1"]


def test_addition_behind_the_residual():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    y = b.node("Add", b.conv(x, 8, 8), x)
    y = b.node("Add", y, b.constant(b.rng.standard_normal((8, 1, 1))))
    model, _ = rewrite(b.model(y))
    assert op_types(model) == ["SparseConv1x1"]


def test_addition_behind_the_activation_stays():
    b = GraphBuilder()
    y = b.node("Relu", b.conv(b.input(2, 12, 5, 5), 8, 12))
    model, _ = rewrite(b.model(b.node("Add", y, b.constant(np.ones((8, 1, 1))))))
    assert op_types(model) == ["SparseConv1x1", "Add"]


@pytest.mark.parametrize("shape", [("N", 12), ("N", "L", 12), (2, 3, 4, 12)])
def test_matmul(shape):
    b = GraphBuilder()
    y = b.node("MatMul", b.input(*shape), b.weights(12, 8))
    model, _ = rewrite(b.model(b.node("Relu", b.node("Add", y, b.vector(8)))))
    assert "Add" not in op_types(model)
    assert "Relu" not in op_types(model)
    assert len(only(sparse_nodes(model)).input) == 5


def test_matmul_with_the_constant_on_the_left_has_channels_along_axis_1():
    b = GraphBuilder()
    y = b.node("MatMul", b.weights(8, 12), b.input(2, 12, 8))
    model, _ = rewrite(b.model(b.node("Add", y, b.vector(8))))
    assert op_types(model) == ["SparseConv1x1", "Add"]
    b = GraphBuilder()
    y = b.node("MatMul", b.weights(8, 12), b.input(2, 12, 8))
    y = b.node("Add", y, b.constant(b.rng.standard_normal((8, 1))))
    assert op_types(rewrite(b.model(y))[0]) == ["SparseConv1x1"]


def test_channels_moved_last():
    b = GraphBuilder()
    y = b.node("Transpose", b.conv(b.input(2, 12, 5, 5), 8, 12), perm=[0, 2, 3, 1])
    model, _ = rewrite(b.model(b.node("Add", y, b.vector(8))))
    assert op_types(model) == ["SparseConv1x1", "Transpose"]


def test_bias_that_is_exact_in_float16_is_stored_so():
    b = GraphBuilder()
    y = b.node("Conv", b.input(2, 12, 5, 5), b.weights(8, 12, 1, 1))
    model, _ = rewrite(b.model(b.node("Add", y, b.constant(np.arange(8).reshape(8, 1, 1)))))
    bias = array_of(model, only(sparse_nodes(model)).input[4])
    assert bias.dtype == np.float16
    assert bias.tolist() == list(range(8))


def test_graph_output_before_the_addition():
    b = GraphBuilder()
    y = b.conv(b.input(2, 12, 5, 5), 8, 12)
    model, _ = rewrite(b.model(y, b.node("Add", y, b.constant(np.ones((8, 1, 1))))))
    assert op_types(model) == ["SparseConv1x1", "Add"]


def test_layer_with_an_activation_takes_no_bias():
    b = GraphBuilder()
    y = b.node("Relu", b.conv(b.input(2, 12, 5, 5), 8, 12))
    model, _ = rewrite(b.model(b.node("Add", y, b.constant(np.ones((8, 1, 1))))))
    assert not FuseAffinePass()(ir.from_proto(model)).modified


@pytest.mark.parametrize("shape", [(-1, 4), (-1, 2, 4)])
def test_channels_split_by_a_reshape(shape):
    b = GraphBuilder()
    y = b.node("Gemm", b.input(2, 12), b.weights(12, 8))
    y = b.node("Reshape", y, b.constant(shape, np.int64))
    model, _ = rewrite(b.model(b.node("Add", y, b.vector(4))))
    assert op_types(model) == ["SparseConv1x1", "Reshape", "Add"]


def batch_norm(b: GraphBuilder, x: str, channels: int = 8, **attributes) -> str:
    variance = b.constant(b.rng.uniform(0.5, 2, channels))
    scale, bias, mean = (b.vector(channels) for _ in range(3))
    return b.node("BatchNormalization", x, scale, bias, mean, variance, **attributes)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("block_rows", [1, 2, 4])
def test_batch_normalization(bias, block_rows):
    b = GraphBuilder()
    x, weights = b.input("N", 12, 5, 5), b.weights(8, 12, 1, 1)
    y = b.node("Conv", x, weights, *([b.vector(8)] if bias else []))
    y = b.node("Relu", batch_norm(b, y, epsilon=0.1))
    model, (report,) = rewrite(b.model(y), block_rows=block_rows)
    assert op_types(model) == ["SparseConv1x1"]
    values = array_of(model, only(sparse_nodes(model)).input[1])
    assert (values.shape[1], values.dtype) == (block_rows, np.float32)
    assert report.macs_after == values.size * 25


def test_batch_normalization_of_a_grouped_convolution():
    b = GraphBuilder()
    y = b.node("Conv", b.input(2, 12, 5, 5), b.weights(8, 3, 1, 1), group=4)
    assert op_types(rewrite(b.model(batch_norm(b, y)))[0]) == ["SparseConv1x1"]


def test_batch_normalization_of_a_matrix():
    b = GraphBuilder()
    y = b.node("Gemm", b.input(2, 12), b.weights(12, 8))
    assert op_types(rewrite(b.model(batch_norm(b, y)))[0]) == ["SparseConv1x1"]


def test_batch_normalization_that_learns_stays():
    b = GraphBuilder()
    y = batch_norm(b, b.conv(b.input(2, 12, 5, 5), 8, 12), training_mode=1)
    b.nodes[-1].output.extend(["mean", "variance"])
    assert op_types(rewrite(b.model(y))[0]) == ["SparseConv1x1", "BatchNormalization"]


def test_batch_normalization_along_another_axis_stays():
    b = GraphBuilder()
    y = b.node("Transpose", b.conv(b.input(2, 12, 8, 5), 8, 12), perm=[0, 2, 3, 1])
    model, _ = rewrite(b.model(batch_norm(b, y)))
    assert op_types(model) == ["SparseConv1x1", "Transpose", "BatchNormalization"]


def test_batch_normalization_behind_the_residual_stays():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    model, _ = rewrite(b.model(batch_norm(b, b.node("Add", b.conv(x, 8, 8), x))))
    assert op_types(model) == ["SparseConv1x1", "BatchNormalization"]


def test_batch_normalization_before_the_residual():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    y = b.node("Relu", b.node("Add", batch_norm(b, b.conv(x, 8, 8)), x))
    assert op_types(rewrite(b.model(y))[0]) == ["SparseConv1x1"]


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("shape", [(8, 1, 1), (1,)])
def test_arithmetic(op_type, swapped, shape):
    b = GraphBuilder()
    constant = b.constant(b.rng.uniform(0.5, 2, shape))
    operands = [b.conv(b.input("N", 12, 5, 5), 8, 12), constant]
    y = b.node(op_type, *(operands[::-1] if swapped else operands))
    stays = ["Div"] if op_type == "Div" and swapped else []
    assert op_types(rewrite(b.model(b.node("Abs", y)))[0]) == ["SparseConv1x1", *stays, "Abs"]


def test_batch_normalization_in_small_steps():
    b = GraphBuilder()
    y = b.conv(b.input(2, 12, 5, 5), 8, 12)
    for op_type in ("Sub", "Div", "Mul", "Add"):
        y = b.node(op_type, y, b.constant(b.rng.uniform(0.5, 2, (8, 1, 1))))
    assert op_types(rewrite(b.model(b.node("Relu", y)))[0]) == ["SparseConv1x1"]


@pytest.mark.parametrize(
    ("op_type", "constant"), [("Mul", 3e38), ("Mul", np.inf), ("Mul", np.nan), ("Div", 0.0)]
)
def test_scale_that_overflows_stays(op_type, constant):
    b = GraphBuilder()
    weights = b.constant(np.full((8, 12, 1, 1), 2.0))
    y = b.node(op_type, b.node("Conv", b.input(2, 12, 5, 5), weights), b.constant(constant))
    graph = ir.from_proto(b.model(y))
    sparsify(graph, min_sparsity=0)
    assert [node.op_type for node in graph.graph] == ["SparseConv1x1", op_type]


def test_scaling_one_of_two_layers_that_share_weights():
    b = GraphBuilder()
    weights = b.weights(8, 8, 1, 1)
    y = batch_norm(b, b.node("Conv", b.input(2, 8, 5, 5), weights))
    model, _ = rewrite(b.model(b.node("Conv", y, weights)))
    first, second = sparse_nodes(model)
    assert first.input[1] != second.input[1]
    assert first.input[2:4] == second.input[2:4]


def test_zeros_stay_zeros():
    b = GraphBuilder()
    y = b.node("Conv", b.input(2, 12, 5, 5), b.weights(8, 12, 1, 1, zeros=0.75))
    y = batch_norm(b, y)
    graph = ir.from_proto(rewrite(b.model(y))[0])
    (report,) = sparsify(graph, min_sparsity=0.5)
    assert report.zeros == 0.75
