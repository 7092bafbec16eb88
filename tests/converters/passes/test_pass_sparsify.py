"""The passes together: options, subgraphs, opsets, and what is left alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from pass_helpers import (
    GraphBuilder,
    assert_same_results,
    densified,
    only,
    op_types,
    rewrite,
    sparse_nodes,
)

from ort_sparse.converters.passes import densify, sparsify, to_model_proto
from ort_sparse.errors import InvalidArgumentError, UnsupportedModelError


def small_model(opset: int = 17, zeros: float = 0.8) -> onnx.ModelProto:
    b = GraphBuilder(opset)
    weights = b.weights(8, 12, 1, 1, zeros=zeros)
    return b.model(b.node("Relu", b.node("Conv", b.input(1, 12, 4, 4), weights)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_sparsity": 1.1}, r"min_sparsity: must lie in 0..1, but is 1.1"),
        ({"min_sparsity": float("nan")}, "min_sparsity"),
        ({"block_rows": 3}, "block_rows: must be one of 1, 2, 4 or 'auto', but is 3"),
        ({"layers": "some"}, "layers: must be 'auto' or 'all', but is 'some'"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        sparsify(ir.from_proto(small_model()), **{"min_sparsity": 0.5, **options})


def test_all_layers():
    assert op_types(rewrite(small_model(), layers="all")[0]) == ["SparseConv1x1"]


def test_model_without_such_layers_is_as_it_was():
    model, reports = rewrite(small_model(zeros=0.1))
    assert op_types(model) == ["Conv", "Relu"]
    assert [report.replaced for report in reports] == [False]
    assert model.graph.initializer == small_model(zeros=0.1).graph.initializer


def test_converted_model_is_reported_as_it_is():
    model, (before,) = rewrite(small_model())
    (after,) = sparsify(ir.from_proto(model), min_sparsity=0.5)
    assert after == dataclasses.replace(
        before,
        kind="SparseConv1x1",
        zeros=pytest.approx(before.zeros),
        replaced=False,
        reason="is SparseConv1x1 already",
    )


@pytest.mark.parametrize("opset", range(11, 27))
def test_opsets(opset):
    b = GraphBuilder(opset)
    x = b.input("N", 8, 5, 5)
    y = b.node("Clip", b.conv(x, 24, 8), b.constant(0.0), b.constant(6.0))
    y = b.node("Add", b.conv(y, 8, 24), x)
    y = b.node("Mul", y, b.node("HardSigmoid", y, alpha=1 / 6))
    y = b.node("Reshape", y, b.constant([0, 0, 25], np.int64))
    y = b.node("Relu", b.node("Add", b.node("MatMul", y, b.weights(25, 8)), b.vector(8)))
    model, reports = rewrite(b.model(y))
    assert [report.replaced for report in reports] == [True] * 3
    assert set(op_types(model)) == {"SparseConv1x1", "Reshape", "Transpose"}


def test_domain_written_in_full():
    model = small_model()
    model.opset_import[0].domain = "ai.onnx"
    graph = ir.from_proto(model)
    (report,) = sparsify(graph, min_sparsity=0.5)
    assert report.replaced


def branch(name: str, op_type: str, value: str, shape) -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node(op_type, [value], [f"{name}_y"])],
        name,
        [],
        [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, shape)],
    )


def test_consumers_in_subgraphs_count():
    b = GraphBuilder()
    x = b.input(1, 12, 4, 4)
    y = b.conv(x, 8, 12)
    shape = (1, 8, 4, 4)
    z = b.node(
        "If",
        b.constant(True, bool),
        then_branch=branch("then", "Relu", y, shape),
        else_branch=branch("else", "Neg", y, shape),
    )
    model, _ = rewrite(b.model(z))
    assert op_types(model) == ["SparseConv1x1", "If"]
    assert len(only(sparse_nodes(model)).attribute) == 1


@pytest.mark.parametrize("used", ["before", "after"])
def test_value_captured_by_a_subgraph_keeps_its_meaning(used):
    b = GraphBuilder()
    before = b.conv(b.input(1, 12, 4, 4), 8, 12)
    after = b.node("Relu", before)
    captured = before if used == "before" else after
    shape = (1, 8, 4, 4)
    z = b.node(
        "If",
        b.constant(True, bool),
        then_branch=branch("then", "Exp", captured, shape),
        else_branch=branch("else", "Neg", captured, shape),
    )
    model, _ = rewrite(b.model(z, after))
    relu = ["Relu"] if used == "before" else []
    assert op_types(model) == ["SparseConv1x1", *relu, "If"]


def test_nodes_in_subgraphs_stay():
    b = GraphBuilder()
    x, weights = b.input(1, 12, 4, 4), b.weights(8, 12, 1, 1)
    conv = helper.make_node("Conv", [x, weights], ["y"])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8, 4, 4))
    body = helper.make_graph([conv], "body", [], [output])
    z = b.node("If", b.constant(True, bool), then_branch=body, else_branch=body)
    model, reports = rewrite(b.model(z))
    assert reports == []
    assert op_types(model) == ["If"]


def set_shape(model: onnx.ModelProto, shape) -> None:
    """Set the shape of the output, which inference does not find."""
    (output,) = model.graph.output
    output.CopyFrom(helper.make_tensor_value_info(output.name, TensorProto.FLOAT, shape))


def test_body_of_a_loop_stays():
    b = GraphBuilder()
    x, weights = b.conv(b.input(1, 8, 4, 4), 8, 8), b.weights(8, 8, 1, 1)
    shape = (1, 8, 4, 4)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Conv", ["state", weights], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, ()),
            helper.make_tensor_value_info("go", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, shape),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, shape),
        ],
    )
    model = b.model(b.node("Loop", b.constant(3, np.int64), "", x, body=body))
    set_shape(model, shape)
    model, (report,) = rewrite(model)
    assert op_types(model) == ["SparseConv1x1", "Loop"]
    assert report.replaced


def test_sole_consumer_in_a_subgraph_is_left_alone():
    b = GraphBuilder()
    y = b.conv(b.input(1, 12, 4, 4), 8, 12)
    shape = (1, 8, 4, 4)
    other = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["constant2"], ["zeros"])],
        "else",
        [],
        [helper.make_tensor_value_info("zeros", TensorProto.FLOAT, shape)],
    )
    b.constant(shape, np.int64)
    z = b.node(
        "If",
        b.constant(True, bool),
        then_branch=branch("then", "Relu", y, shape),
        else_branch=other,
    )
    model, _ = rewrite(b.model(z))
    assert op_types(model) == ["SparseConv1x1", "If"]
    (then,) = [a.g for a in model.graph.node[1].attribute if a.name == "then_branch"]
    assert [node.op_type for node in then.node] == ["Relu"]


def test_outputs_keep_their_names_and_declared_shapes():
    b = GraphBuilder()
    x = b.input("N", 8, 5, 5)
    first = b.node("Relu", b.conv(x, 8, 8))
    second = b.node("Relu", b.node("Add", b.conv(first, 8, 8), x))
    model = b.model(second, first)
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    result, _ = rewrite(model)
    assert op_types(result) == ["SparseConv1x1"] * 2
    assert result.graph.output == model.graph.output


def test_shapes_are_kept_and_initializers_have_none_of_their_own():
    b = GraphBuilder()
    y = b.node("Relu", b.conv(b.input(2, 12, 5, 5), 8, 12))
    model, _ = rewrite(b.model(b.conv(y, 8, 8)))
    (info,) = model.graph.value_info
    assert info.name == y
    assert [d.dim_value for d in info.type.tensor_type.shape.dim] == [2, 8, 5, 5]


def test_unused_constants_are_removed():
    b = GraphBuilder()
    half = b.constant(b.sparse(12, 8), np.float16)
    y = b.node("MatMul", b.input(2, 12), b.node("Cast", half, to=TensorProto.FLOAT))
    model, _ = rewrite(b.model(b.node("Clip", y, b.constant(0.0), b.constant(6.0))))
    assert op_types(model) == ["SparseConv1x1"]
    assert {t.name.split(".")[0] for t in model.graph.initializer} == {"node1"}


def test_densify_gives_the_same_weights_back():
    b = GraphBuilder()
    dense = b.sparse(8, 12, 1, 1)
    model = b.model(b.node("Conv", b.input(1, 12, 4, 4), b.constant(dense)))
    result = densified(rewrite(model)[0])
    assert op_types(result) == ["Conv"]
    weights = onnx.numpy_helper.to_array(only(result.graph.initializer))
    assert weights.tobytes() == dense.tobytes()
    assert [o.domain for o in result.opset_import] == [""]
    assert result.graph.output == model.graph.output


def test_densify_restores_the_operators():
    b = GraphBuilder()
    x = b.input(1, 8, 4, 4)
    y = b.node("Relu", b.node("Add", b.conv(x, 8, 8), x))
    y = b.conv(y, 8, 8)
    y = b.node("Mul", y, b.node("Sigmoid", y))
    model = b.model(y)
    result = densified(rewrite(model)[0])
    assert op_types(result) == ["Conv", "Add", "Relu", "Conv", "Sigmoid", "Mul"]
    assert_same_results(model, result, tolerance=0)


def test_densify_of_an_ordinary_model_changes_nothing():
    model = ir.from_proto(small_model())
    assert not densify(model)
    assert op_types(to_model_proto(model)) == ["Conv", "Relu"]


def test_densify_needs_clip_with_inputs():
    graph = ir.from_proto(small_model(opset=10))
    sparsify(graph, min_sparsity=0.5)
    with pytest.raises(UnsupportedModelError, match="opset: must be at least 11"):
        densify(graph)


def test_densify_needs_the_rank_of_the_input():
    model, _ = rewrite(small_model())
    graph = ir.from_proto(model)
    graph.graph.inputs[0].shape = None
    with pytest.raises(UnsupportedModelError, match="node 'node0': the rank of X must be known"):
        densify(graph)
