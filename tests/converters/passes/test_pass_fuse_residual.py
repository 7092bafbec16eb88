"""Additions of tensors of the same shape."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from pass_helpers import GraphBuilder, attributes, only, op_types, rewrite, sparse_nodes

from ort_sparse.converters.passes import FuseResidualPass
from ort_sparse.converters.passes.nodes import same_shape
from ort_sparse.op import INPUTS

RESIDUAL = INPUTS.index("residual")


def residuals(model) -> list[str]:
    nodes = sparse_nodes(model)
    return [n.input[RESIDUAL] if len(n.input) > RESIDUAL else "" for n in nodes]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("shape", [(2, 8), ("N", 8, 5), ("N", 8, 5, 5), (1, 8, 2, 3, 4)])
def test_same_shape(shape, swapped):
    b = GraphBuilder()
    x = b.input(*shape)
    rank = len(shape)
    y = b.conv(x, 8, 8, rank) if rank > 2 else b.node("Gemm", x, b.weights(8, 8), b.vector(8))
    model, _ = rewrite(b.model(b.node("Add", *((x, y) if swapped else (y, x)))))
    assert op_types(model) == ["SparseConv1x1"]
    assert residuals(model) == [x]


def test_activation_follows_the_addition():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    model, _ = rewrite(b.model(b.node("Relu", b.node("Add", b.conv(x, 8, 8), x))))
    node = only(model.graph.node)
    assert attributes(node)["activation"] == "clip"
    assert node.metadata_props[0].value == "Conv+Add+Relu"


def test_activation_before_the_addition_keeps_it():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    model, _ = rewrite(b.model(b.node("Add", b.node("Relu", b.conv(x, 8, 8)), x)))
    assert op_types(model) == ["SparseConv1x1", "Add"]


@pytest.mark.parametrize(
    "other", [(1, 8, 5, 5), (3, 8, 1, 1), (8, 5, 5), (3, 1, 5, 5), ("M", 8, 5, 5), (None, 8, 5, 5)]
)
@pytest.mark.parametrize("batch", [3, "N"])
def test_addition_that_broadcasts_or_may_do_so_stays(batch, other):
    b = GraphBuilder()
    y = b.conv(b.input(batch, 8, 5, 5), 8, 8)
    model, _ = rewrite(b.model(b.node("Add", y, b.input(*other))))
    assert op_types(model) == ["SparseConv1x1", "Add"]


def test_addition_stays_where_onnx_infers_no_spatial_size():
    b = GraphBuilder()
    x = b.input("N", 8, "H", "W")
    model, _ = rewrite(b.model(b.node("Add", b.conv(x, 8, 8), x)))
    assert op_types(model) == ["SparseConv1x1", "Add"]


def test_two_dimensions_without_a_name_are_not_the_same():
    b = GraphBuilder()
    y = b.conv(b.input(None, 8, 5, 5), 8, 8)
    model, _ = rewrite(b.model(b.node("Add", y, b.input(None, 8, 5, 5))))
    assert op_types(model) == ["SparseConv1x1", "Add"]


def test_layer_that_is_also_its_own_residual():
    b = GraphBuilder()
    y = b.conv(b.input(2, 8, 5, 5), 8, 8)
    model, _ = rewrite(b.model(b.node("Add", y, y)))
    assert op_types(model) == ["SparseConv1x1", "Add"]


def test_other_consumer_of_the_layer_keeps_the_addition():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    y = b.conv(x, 8, 8)
    model, _ = rewrite(b.model(b.node("Add", y, x), b.node("Neg", y)))
    assert op_types(model) == ["SparseConv1x1", "Add", "Neg"]


def test_graph_output_before_the_addition_keeps_it():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    y = b.conv(x, 8, 8)
    model, _ = rewrite(b.model(b.node("Add", y, x), y))
    assert op_types(model) == ["SparseConv1x1", "Add"]


def test_of_two_layers_the_later_takes_the_addition():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    first = b.conv(x, 8, 8)
    second = b.conv(b.node("Neg", x), 8, 8)
    for operands in ((first, second), (second, first)):
        model, _ = rewrite(b.model(b.node("Relu", b.node("Add", *operands))))
        b.nodes = b.nodes[:3]
        assert op_types(model) == ["SparseConv1x1", "Neg", "SparseConv1x1"]
        assert residuals(model) == ["", first]


def test_residual_that_is_computed_after_the_layer():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    y = b.conv(x, 8, 8)
    late = b.node("Exp", b.node("Neg", x))
    model, _ = rewrite(b.model(b.node("Add", y, late)))
    assert op_types(model) == ["Neg", "Exp", "SparseConv1x1"]
    assert residuals(model) == [late]


def test_chain_of_residual_blocks():
    b = GraphBuilder()
    x = b.input("N", 8, 5, 5)
    for _ in range(4):
        y = b.node("Relu", b.conv(x, 24, 8))
        x = b.node("Add", b.conv(y, 8, 24), x)
    model, _ = rewrite(b.model(x))
    assert op_types(model) == ["SparseConv1x1"] * 8
    assert [bool(name) for name in residuals(model)] == [False, True] * 4


def test_second_addition_stays():
    b = GraphBuilder()
    x, z = b.input(2, 8, 5, 5), b.input(2, 8, 5, 5)
    model, _ = rewrite(b.model(b.node("Add", b.node("Add", b.conv(x, 8, 8), x), z)))
    assert op_types(model) == ["SparseConv1x1", "Add"]


def test_matmul_of_rank_3():
    b = GraphBuilder()
    x = b.input("N", "L", 8)
    y = b.node("Add", b.node("MatMul", x, b.weights(8, 8)), b.vector(8))
    model, _ = rewrite(b.model(b.node("Relu", b.node("Add", x, y))))
    node = only(sparse_nodes(model))
    assert node.metadata_props[0].value == "MatMul+Add+Add+Relu"
    assert "Add" not in op_types(model)
    (transpose,) = [n for n in model.graph.node if n.output[0] == node.input[RESIDUAL]]
    assert (transpose.op_type, transpose.input[0]) == ("Transpose", x)


def test_transposed_output_stays():
    b = GraphBuilder()
    y = b.node("Transpose", b.conv(b.input(2, 8, 5, 5), 8, 8), perm=[0, 2, 3, 1])
    model, _ = rewrite(b.model(b.node("Add", y, b.input(2, 5, 5, 8))))
    assert op_types(model) == ["SparseConv1x1", "Transpose", "Add"]


def test_layer_that_stays_dense_takes_nothing():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    y = b.node("Conv", x, b.weights(8, 8, 1, 1, zeros=0.1))
    model, _ = rewrite(b.model(b.node("Add", b.conv(x, 8, 8), b.node("Add", y, x))))
    assert op_types(model) == ["Conv", "Add", "SparseConv1x1"]


def test_shapes_are_the_same_only_if_that_is_certain():
    def value(*dims):
        return ir.Value(shape=ir.Shape(dims))

    assert same_shape(value(2, "N"), value(2, "N"))
    assert not same_shape(value(2, "N"), value(2, "M"))
    assert not same_shape(value(2, None), value(2, None))
    assert not same_shape(value(2), value(2, 1))
    assert not same_shape(ir.Value(), ir.Value())


def test_layer_with_an_activation_takes_no_residual():
    b = GraphBuilder()
    x = b.input(2, 8, 5, 5)
    model, _ = rewrite(b.model(b.node("Add", b.node("Relu", b.conv(x, 8, 8)), x)))
    assert not FuseResidualPass()(ir.from_proto(model)).modified
