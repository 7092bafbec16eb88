"""Activations, in all the forms in which exporters write them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from pass_helpers import (
    GraphBuilder,
    array_of,
    attributes,
    only,
    op_types,
    rewrite,
    sparse_nodes,
)

from ort_sparse.converters.passes import FuseActivationPass, sparsify


def fused(b: GraphBuilder, result: str) -> dict:
    """Rewrite a graph in which everything belongs to one layer, and return its attributes."""
    model, _ = rewrite(b.model(result))
    assert op_types(model) == ["SparseConv1x1"]
    found = attributes(model.graph.node[0])
    return {key: value for key, value in found.items() if key.startswith("activation")}


def layer(opset: int = 17) -> tuple[GraphBuilder, str]:
    b = GraphBuilder(opset)
    return b, b.conv(b.input("N", 12, 5, 5), 8, 12)


def test_relu():
    b, x = layer()
    assert fused(b, b.node("Relu", x)) == {"activation": "clip", "activation_min": 0.0}


@pytest.mark.parametrize("minimum", [None, -1.0])
@pytest.mark.parametrize("maximum", [None, 0.5])
def test_clip_by_inputs(minimum, maximum):
    b, x = layer()
    bounds = ["" if bound is None else b.constant(bound) for bound in (minimum, maximum)]
    expected = {"activation_min": minimum, "activation_max": maximum}
    assert fused(b, b.node("Clip", x, *bounds)) == {"activation": "clip"} | {
        key: bound for key, bound in expected.items() if bound is not None
    }


def test_clip_by_attributes():
    b, x = layer(opset=10)
    graph = ir.from_proto(b.model(b.node("Clip", x, min=0.0, max=6.0)))
    sparsify(graph, min_sparsity=0.5)
    (node,) = graph.graph
    assert node.attributes["activation_min"].value == 0.0
    assert node.attributes["activation_max"].value == 6.0


def test_clip_with_a_bound_that_is_no_constant_stays():
    b, x = layer()
    model, _ = rewrite(b.model(b.node("Clip", x, b.input())))
    assert op_types(model) == ["SparseConv1x1", "Clip"]


@pytest.mark.parametrize("bounds", [(1, -1), (np.nan, 1)])
def test_clip_with_senseless_bounds_stays(bounds):
    b, x = layer()
    graph = ir.from_proto(b.model(b.node("Clip", x, *map(b.constant, bounds))))
    sparsify(graph, min_sparsity=0.5)
    assert [node.op_type for node in graph.graph] == ["SparseConv1x1", "Clip"]


@pytest.mark.parametrize("opset", [14, 17])
def test_hard_swish(opset):
    b, x = layer(opset)
    assert fused(b, b.node("HardSwish", x)) == {"activation": "hard_swish"}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("opset", [11, 17])
def test_product_with_hard_sigmoid(opset, swapped):
    b, x = layer(opset)
    gate = b.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    y = b.node("Mul", *((gate, x) if swapped else (x, gate)))
    assert fused(b, y) == {"activation": "hard_swish"}


@pytest.mark.parametrize("given", [{}, {"alpha": 0.2}, {"alpha": 1 / 6, "beta": 0.4}])
def test_product_with_another_hard_sigmoid_stays(given):
    b, x = layer()
    model, _ = rewrite(b.model(b.node("Mul", x, b.node("HardSigmoid", x, **given))))
    assert op_types(model) == ["SparseConv1x1", "HardSigmoid", "Mul"]


@pytest.mark.parametrize("by", ["Div", "Mul"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_hard_swish_in_small_steps(by, last, swapped):
    b, x = layer()

    def scaled(value: str) -> str:
        return b.node(by, value, b.constant(6.0 if by == "Div" else 1 / 6))

    operands = [x, b.constant([3.0])]
    shifted = b.node("Add", *(operands[::-1] if swapped else operands))
    gate = b.node("Clip", shifted, b.constant(0.0), b.constant(6.0))
    y = scaled(b.node("Mul", x, gate)) if last else b.node("Mul", scaled(gate), x)
    assert fused(b, y) == {"activation": "hard_swish"}


@pytest.mark.parametrize(
    ("shift", "maximum", "scale"), [(2.0, 6.0, 6.0), (3.0, 5.0, 6.0), (3.0, 6.0, 5.0)]
)
@pytest.mark.parametrize("last", [False, True])
def test_nearly_hard_swish_stays(shift, maximum, scale, last):
    b, x = layer()
    gate = b.node("Clip", b.node("Add", x, b.constant(shift)), b.constant(0.0), b.constant(maximum))
    if last:
        y = b.node("Div", b.node("Mul", x, gate), b.constant(scale))
    else:
        y = b.node("Mul", x, b.node("Div", gate, b.constant(scale)))
    model, _ = rewrite(b.model(y))
    assert len(op_types(model)) == 5


def test_six_divided_by_the_product_stays():
    b, x = layer()
    gate = b.node("Clip", b.node("Add", x, b.constant(3.0)), b.constant(0.0), b.constant(6.0))
    y = b.node("Abs", b.node("Div", b.constant(6.0), b.node("Mul", x, gate)))
    graph = ir.from_proto(b.model(y))
    sparsify(graph, min_sparsity=0.5)
    assert "Div" in [node.op_type for node in graph.graph]


@pytest.mark.parametrize("swapped", [False, True])
def test_silu(swapped):
    b, x = layer()
    gate = b.node("Sigmoid", x)
    assert fused(b, b.node("Mul", *((gate, x) if swapped else (x, gate)))) == {"activation": "silu"}


@pytest.mark.parametrize(("alpha", "fuses"), [(1.0, True), (1.702, False)])
def test_swish_operator(alpha, fuses):
    b, x = layer(opset=24)
    graph = ir.from_proto(b.model(b.node("Swish", x, alpha=alpha)))
    sparsify(graph, min_sparsity=0.5)
    assert len(list(graph.graph)) == (1 if fuses else 2)


def test_sigmoid():
    b, x = layer()
    assert fused(b, b.node("Sigmoid", x)) == {"activation": "sigmoid"}


def test_leaky_relu():
    b, x = layer()
    assert fused(b, b.node("LeakyRelu", x, alpha=0.25)) == {
        "activation": "leaky_relu",
        "activation_alpha": 0.25,
    }
    b, x = layer()
    assert fused(b, b.node("LeakyRelu", x))["activation_alpha"] == np.float32(0.01)


@pytest.mark.parametrize("shape", [(8, 1, 1), (1, 8, 1, 1), (1, 1, 1), (1,)])
def test_prelu(shape):
    b, x = layer()
    slope = b.rng.random(shape).astype(np.float16)
    model, _ = rewrite(b.model(b.node("PRelu", x, b.constant(slope))))
    node = only(model.graph.node)
    assert attributes(node)["activation"] == "prelu"
    stored = array_of(model, node.input[6])
    assert stored.dtype == np.float16
    assert stored.tolist() == np.broadcast_to(slope.ravel(), 8).tolist()


@pytest.mark.parametrize("shape", [(5, 5), (8, 5, 1), (5,)])
def test_prelu_with_a_slope_that_varies_along_another_axis_stays(shape):
    b, x = layer()
    model, _ = rewrite(b.model(b.node("PRelu", x, b.constant(b.rng.random(shape)))))
    assert op_types(model) == ["SparseConv1x1", "PRelu"]


def test_prelu_with_a_slope_that_is_no_constant_stays():
    b, x = layer()
    model, _ = rewrite(b.model(b.node("PRelu", x, b.input(8, 1, 1))))
    assert op_types(model) == ["SparseConv1x1", "PRelu"]


def test_prelu_of_matrices_has_channels_last():
    b = GraphBuilder()
    y = b.node("MatMul", b.input("N", "L", 12), b.weights(12, 8))
    model, _ = rewrite(b.model(b.node("PRelu", y, b.vector(8))))
    assert "PRelu" not in op_types(model)


@pytest.mark.parametrize("op_type", ["Tanh", "Elu", "Softplus", "Neg"])
def test_other_functions_stay(op_type):
    b, x = layer()
    assert op_types(rewrite(b.model(b.node(op_type, x)))[0]) == ["SparseConv1x1", op_type]


def test_only_the_first_activation_is_folded():
    b, x = layer()
    model, _ = rewrite(b.model(b.node("Sigmoid", b.node("Relu", x))))
    assert op_types(model) == ["SparseConv1x1", "Sigmoid"]


def test_second_consumer_keeps_the_activation():
    b, x = layer()
    model, _ = rewrite(b.model(b.node("Relu", x), b.node("Neg", x)))
    assert op_types(model) == ["SparseConv1x1", "Relu", "Neg"]


def test_graph_output_before_the_activation_keeps_it():
    b, x = layer()
    model, _ = rewrite(b.model(x, b.node("Relu", x)))
    assert op_types(model) == ["SparseConv1x1", "Relu"]


def test_graph_output_inside_silu_keeps_it():
    b, x = layer()
    gate = b.node("Sigmoid", x)
    model, _ = rewrite(b.model(b.node("Mul", x, gate), gate))
    assert op_types(model) == ["SparseConv1x1", "Sigmoid", "Mul"]


def test_gate_of_another_tensor_stays():
    b, x = layer()
    z = b.input(3, 8, 5, 5)
    y = b.node("Mul", z, b.node("Sigmoid", x))
    assert op_types(rewrite(b.model(y))[0]) == ["SparseConv1x1", "Mul"]  # the Sigmoid alone


def test_square_stays():
    b, x = layer()
    assert op_types(rewrite(b.model(b.node("Mul", x, x)))[0]) == ["SparseConv1x1", "Mul"]


def test_activation_between_transposes():
    b, x = layer()
    y = b.node("HardSwish", b.node("Transpose", x, perm=[0, 2, 3, 1]))
    y = b.conv(b.node("Transpose", y, perm=[0, 3, 1, 2]), 8, 8)
    model, _ = rewrite(b.model(y))
    assert op_types(model) == ["SparseConv1x1", "SparseConv1x1"]
    assert attributes(sparse_nodes(model)[0])["activation"] == "hard_swish"


def test_prelu_behind_a_transpose_has_its_channels_moved():
    b, x = layer()
    y = b.node("Transpose", x, perm=[0, 2, 3, 1])
    model, _ = rewrite(b.model(b.node("PRelu", y, b.vector(8))))
    assert op_types(model) == ["SparseConv1x1", "Transpose"]


def test_prelu_behind_a_reshape_that_splits_channels_stays():
    b, x = layer()
    y = b.node("Reshape", x, b.constant([-1, 2, 4, 25], np.int64))
    model, _ = rewrite(b.model(b.node("PRelu", y, b.constant(b.rng.random((2, 1, 1))))))
    assert op_types(model) == ["SparseConv1x1", "Reshape", "PRelu"]


def test_relu_behind_a_reshape():
    b, x = layer()
    y = b.node("Reshape", x, b.constant([-1, 2, 4, 25], np.int64))
    assert op_types(rewrite(b.model(b.node("Relu", y)))[0]) == ["SparseConv1x1", "Reshape"]


def test_graph_output_before_silu_keeps_it():
    b, x = layer()
    model, _ = rewrite(b.model(b.node("Mul", x, b.node("Sigmoid", x)), x))
    assert op_types(model) == ["SparseConv1x1", "Sigmoid", "Mul"]


def test_silu_in_a_subgraph_stays():
    b, x = layer()
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("N", 8, 5, 5))
    nodes = [helper.make_node("Sigmoid", [x], ["s"]), helper.make_node("Mul", [x, "s"], ["y"])]
    body = helper.make_graph(nodes, "body", [], [output])
    zeros = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["shape"], ["y"])], "zeros", [], [output]
    )
    b.initializers.append(numpy_helper.from_array(np.int64([3, 8, 5, 5]), "shape"))
    y = b.node("If", b.constant(True, bool), then_branch=body, else_branch=zeros)
    assert op_types(rewrite(b.model(y))[0]) == ["SparseConv1x1", "If"]


def test_layer_that_is_the_bound_of_a_clip():
    b = GraphBuilder()
    y = b.node("Gemm", b.input(1, 12), b.weights(12, 1))
    bound = b.node("Reshape", y, b.constant([], np.int64))
    model, _ = rewrite(b.model(b.node("Clip", b.input(3, 4), bound)))
    assert op_types(model) == ["SparseConv1x1", "Reshape", "Clip"]


def test_layer_with_an_activation_takes_no_second_one():
    b, x = layer()
    model, _ = rewrite(b.model(b.node("Sigmoid", b.node("Relu", x))))
    assert not FuseActivationPass()(ir.from_proto(model)).modified
