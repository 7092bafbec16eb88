"""Which nodes become SparseConv1x1, which stay, and what the weights are stored as."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto
from pass_helpers import (
    GraphBuilder,
    array_of,
    attributes,
    only,
    op_types,
    rewrite,
    sparse_nodes,
)

from ort_sparse.converters.passes import find_other_layers, sparsify
from ort_sparse.errors import InvalidModelError
from ort_sparse.op import INPUTS


def conv_model(weights_shape, x_shape, *, zeros=0.8, bias=True, **attributes):
    b = GraphBuilder()
    rows = weights_shape[0]
    extra = [b.vector(rows)] if bias else []
    x = b.input(*x_shape)
    return b.model(b.node("Conv", x, b.weights(*weights_shape, zeros=zeros), *extra, **attributes))


@pytest.mark.parametrize("spatial", [(9,), (5, 7), (3, 4, 5)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stride", [None, 1, 2])
def test_conv_of_every_rank(spatial, bias, stride):
    given = {} if stride is None else {"strides": [stride] * len(spatial)}
    shape = (8, 12, *[1] * len(spatial))
    model, (report,) = rewrite(conv_model(shape, ("N", 12, *spatial), bias=bias, **given))
    assert op_types(model) == ["SparseConv1x1"]
    node = model.graph.node[0]
    assert len(node.input) == (5 if bias else 4)
    assert attributes(node).get("strides") == (given["strides"] if stride == 2 else None)
    assert (report.name, report.kind, report.shape) == ("node0", "Conv", (8, 12))


@pytest.mark.parametrize(
    "given",
    [
        {"pads": [0, 0, 0, 0]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
        {"auto_pad": "VALID", "strides": [3, 1]},
        {"dilations": [2, 3]},
        {"kernel_shape": [1, 1]},
    ],
)
def test_attributes_that_do_not_matter_to_a_kernel_of_ones(given):
    model, _ = rewrite(conv_model((8, 12, 1, 1), (2, 12, 6, 7), **given))
    assert op_types(model) == ["SparseConv1x1"]


@pytest.mark.parametrize(
    ("shape", "given"),
    [
        ((8, 12, 1, 1), {"pads": [1, 0, 0, 0]}),
        ((8, 12, 1, 1), {"pads": [1, 1, 1, 1]}),
        ((8, 12, 1, 3), {}),
        ((8, 12, 3, 3), {}),
    ],
)
def test_conv_that_mixes_positions_stays(shape, given):
    model, reports = rewrite(conv_model(shape, (2, 12, 6, 7), **given))
    assert op_types(model) == ["Conv"]
    assert reports == []


@pytest.mark.parametrize(("groups", "rows", "columns"), [(3, 12, 4), (4, 8, 8), (2, 6, 150)])
@pytest.mark.parametrize("block_rows", [None, 1, 2])
def test_grouped_conv_is_block_diagonal(groups, rows, columns, block_rows):
    x_shape = (2, groups * columns, 5, 5)
    model, (report,) = rewrite(
        conv_model((rows, columns, 1, 1), x_shape, group=groups), block_rows=block_rows
    )
    assert op_types(model) == ["SparseConv1x1"]
    assert report.shape == (rows, groups * columns)
    assert report.zeros == pytest.approx(0.8, abs=0.02)
    assert report.macs_before == rows * columns * 25
    assert (rows // groups) % report.block_rows == 0


def test_structural_zeros_of_groups_do_not_count():
    model, (report,) = rewrite(conv_model((16, 8, 1, 1), (1, 64, 5, 5), zeros=0.1, group=8))
    assert op_types(model) == ["Conv"]
    assert not report.replaced


def test_many_groups_build_no_huge_matrix():
    channels = 2**15
    model = conv_model((channels, 1, 1, 1), (1, channels, 1, 1), zeros=0.9, group=channels)
    (report,) = sparsify(ir.from_proto(model), min_sparsity=0.5)  # 4 GiB as a dense matrix
    assert report.replaced
    assert report.shape == (channels, channels)


def test_matrix_of_too_many_cells_stays():
    channels = 2**16
    model = conv_model((channels, 1, 1, 1), (1, channels, 1, 1), zeros=0.9, group=channels)
    assert sparsify(ir.from_proto(model), min_sparsity=0.5) == []
    (layer,) = find_other_layers(ir.from_proto(model), min_sparsity=0.5)
    assert layer.reason == "its matrix has more than 2147483647 cells"


@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("c", [None, (8,), (1, 8), (1,), ()])
def test_gemm(alpha, transposed, c):
    b = GraphBuilder()
    weights = b.weights(*((8, 12) if transposed else (12, 8)))
    bias = [] if c is None else [b.constant(b.rng.standard_normal(c))]
    y = b.node("Gemm", b.input("N", 12), weights, *bias, alpha=alpha, beta=2.0, transB=transposed)
    model, (report,) = rewrite(b.model(y))
    assert op_types(model) == ["SparseConv1x1"]
    assert (report.kind, report.shape, report.macs_before) == ("Gemm", (8, 12), 96)


@pytest.mark.parametrize("c", [(3, 8), (3, 1)])
def test_gemm_with_a_matrix_added_stays(c):
    b = GraphBuilder()
    y = b.node("Gemm", b.input(3, 12), b.weights(12, 8), b.constant(b.rng.standard_normal(c)))
    assert op_types(rewrite(b.model(y))[0]) == ["Gemm"]


def test_gemm_with_transposed_input_stays():
    b = GraphBuilder()
    y = b.node("Gemm", b.input(12, "N"), b.weights(12, 8), transA=1)
    assert op_types(rewrite(b.model(y))[0]) == ["Gemm"]


def test_matmul_of_matrices():
    b = GraphBuilder()
    model, _ = rewrite(b.model(b.node("MatMul", b.input("N", 12), b.weights(12, 8))))
    assert op_types(model) == ["SparseConv1x1"]


@pytest.mark.parametrize("shape", [("N", "L", 12), (2, "N", "L", 12), (1, 1, 2, 2, 12)])
def test_matmul_with_channels_last_runs_between_transposes(shape):
    b = GraphBuilder()
    model, (report,) = rewrite(b.model(b.node("MatMul", b.input(*shape), b.weights(12, 8))))
    assert op_types(model) == ["Transpose", "SparseConv1x1", "Transpose"]
    assert report.shape == (8, 12)


@pytest.mark.parametrize("shape", [(12,), (1, 1, 1, 2, 2, 12)])
def test_matmul_of_another_rank_stays(shape):
    b = GraphBuilder()
    model, reports = rewrite(b.model(b.node("MatMul", b.input(*shape), b.weights(12, 8))))
    assert op_types(model) == ["MatMul"]
    assert reports == []


def test_matmul_of_unknown_rank_stays():
    b = GraphBuilder()
    x = b.node("Reshape", b.input(6, 12), b.input("rank", dtype=TensorProto.INT64))
    y = b.node("MatMul", x, b.weights(12, 8))
    graph = ir.from_proto(b.model(b.node("Reshape", y, b.constant([-1, 8], np.int64))))
    assert sparsify(graph, min_sparsity=0.5) == []
    (layer,) = find_other_layers(graph, min_sparsity=0.5)
    assert layer.reason == "the rank of its input is unknown"


def test_pointwise_layers_written_as_matmul():
    b = GraphBuilder()
    y = b.node("Transpose", b.input("N", 12, 5, 7), perm=[0, 2, 3, 1])
    y = b.node("Relu", b.node("Add", b.node("MatMul", y, b.weights(12, 8)), b.vector(8)))
    y = b.node("Add", b.node("MatMul", y, b.weights(8, 8)), y)
    y = b.node("Transpose", y, perm=[0, 3, 1, 2])
    model, _ = rewrite(b.model(b.node("MaxPool", y, kernel_shape=[2, 2])))
    assert op_types(model) == ["SparseConv1x1", "SparseConv1x1", "MaxPool"]


def test_matmul_with_the_constant_on_the_left():
    b = GraphBuilder()
    model, (report,) = rewrite(b.model(b.node("MatMul", b.weights(8, 12), b.input("N", 12, 10))))
    assert op_types(model) == ["SparseConv1x1"]
    assert (report.shape, report.macs_before) == ((8, 12), 960)


@pytest.mark.parametrize("shape", [(12, 5), (12, "N")])
def test_matmul_with_the_constant_on_the_left_of_a_matrix(shape):
    """The columns of the matrix are the pixels of one item."""
    b = GraphBuilder()
    y = b.node("MatMul", b.weights(8, 12), b.input(*shape))
    y = b.node("Relu", b.node("Add", y, b.constant(b.rng.standard_normal((8, 1)))))
    model, (report,) = rewrite(b.model(y))
    assert op_types(model) == ["Reshape", "SparseConv1x1", "Reshape"]
    assert report.shape == (8, 12)
    assert report.macs_before == (8 * 12 * 5 if shape[1] == 5 else None)


def test_residual_of_a_matrix_behind_a_constant():
    b = GraphBuilder()
    y = b.node("MatMul", b.weights(8, 12), b.input(12, 5))
    model, _ = rewrite(b.model(b.node("Add", y, b.input(8, 5))))
    assert op_types(model) == ["Reshape", "SparseConv1x1", "Reshape", "Add"]


@pytest.mark.parametrize("shape", [(2, 3, 12, 5)])
def test_matmul_with_the_constant_on_the_left_of_another_rank_stays(shape):
    b = GraphBuilder()
    assert op_types(rewrite(b.model(b.node("MatMul", b.weights(8, 12), b.input(*shape))))[0]) == [
        "MatMul"
    ]


@pytest.mark.parametrize(
    ("shape", "weights", "rewritten"),
    [
        ((2, 5, 12), (1, 12, 8), ["Transpose", "SparseConv1x1", "Transpose"]),
        ((2, 3, 5, 12), (1, 12, 8), ["Transpose", "SparseConv1x1", "Transpose"]),
        ((2, 3, 5, 12), (1, 1, 12, 8), ["Transpose", "SparseConv1x1", "Transpose"]),
        ((5, 12), (1, 12, 8), ["SparseConv1x1", "Reshape"]),
        ((5, 12), (1, 1, 12, 8), ["MatMul"]),
    ],
)
def test_matmul_with_weights_that_have_axes_of_size_one(shape, weights, rewritten):
    b = GraphBuilder()
    y = b.node("Add", b.node("MatMul", b.input(*shape), b.weights(*weights)), b.vector(8))
    assert op_types(rewrite(b.model(y))[0]) == [*rewritten, *["Add"] * (rewritten == ["MatMul"])]


@pytest.mark.parametrize("shape", [(12, 5), (2, 12, 5)])
def test_constant_on_the_left_with_an_axis_of_size_one(shape):
    b = GraphBuilder()
    model, _ = rewrite(b.model(b.node("MatMul", b.weights(1, 8, 12), b.input(*shape))))
    assert op_types(model) == ["Reshape"] * (len(shape) == 2) + ["SparseConv1x1"]


def test_batched_weights_stay():
    b = GraphBuilder()
    y = b.node("MatMul", b.input(2, 5, 12), b.weights(2, 12, 8))
    assert op_types(rewrite(b.model(y))[0]) == ["MatMul"]


def test_weights_that_are_no_constant_stay():
    b = GraphBuilder()
    y = b.node("Conv", b.input(2, 12, 4, 4), b.input(8, 12, 1, 1))
    z = b.node("MatMul", b.input(2, 12), b.input(12, 8))
    model, reports = rewrite(b.model(y, z))
    assert op_types(model) == ["Conv", "MatMul"]
    assert reports == []


def test_bias_that_is_no_constant_stays():
    b = GraphBuilder()
    y = b.node("Conv", b.input(2, 12, 4, 4), b.weights(8, 12, 1, 1), b.input(8))
    z = b.node("Gemm", b.input(2, 12), b.weights(12, 8), b.input(8))
    assert op_types(rewrite(b.model(y, z))[0]) == ["Conv", "Gemm"]


def test_initializer_that_a_caller_can_override_stays():
    b = GraphBuilder()
    y = b.node("Conv", b.input(2, 12, 4, 4), b.weights(8, 12, 1, 1))
    model = b.model(y)
    info = onnx.helper.make_tensor_value_info("constant0", TensorProto.FLOAT, (8, 12, 1, 1))
    model.graph.input.append(info)
    graph = ir.from_proto(model)
    assert sparsify(graph, min_sparsity=0.5) == []
    assert op_types(ir.to_proto(graph)) == ["Conv"]


def test_float64_stays():
    b = GraphBuilder()
    x = b.input(2, 12, dtype=TensorProto.DOUBLE)
    y = b.node("MatMul", x, b.weights(12, 8, dtype=np.float64))
    result, reports = rewrite(b.model(y, dtype=TensorProto.DOUBLE))
    assert op_types(result) == ["MatMul"]
    assert reports == []


def test_conv_of_another_domain_stays():
    b = GraphBuilder()
    y = b.node("Conv", b.input(2, 12, 4, 4), b.weights(8, 12, 1, 1), domain="elsewhere")
    graph = ir.from_proto(b.model(y))
    assert sparsify(graph, min_sparsity=0.5) == []


@pytest.mark.parametrize(("zeros", "replaced"), [(0.79, False), (0.8, True), (0.81, True)])
def test_min_sparsity_is_inclusive(zeros, replaced):
    model = conv_model((10, 10, 1, 1), (1, 10, 4, 4), zeros=zeros)
    result, (report,) = rewrite(model, min_sparsity=0.8)
    assert report.replaced == replaced
    assert op_types(result) == (["SparseConv1x1"] if replaced else ["Conv"])
    assert f"{zeros:.1%} zeros" in report.reason
    assert "80.0%" in report.reason


def test_opset_is_imported_only_where_used():
    dense, _ = rewrite(conv_model((8, 8, 1, 1), (1, 8, 4, 4), zeros=0.1))
    sparse, _ = rewrite(conv_model((8, 8, 1, 1), (1, 8, 4, 4), zeros=0.9))
    assert [(o.domain, o.version) for o in dense.opset_import] == [("", 17)]
    assert [(o.domain, o.version) for o in sparse.opset_import] == [("", 17), ("ort_sparse", 1)]


def test_names():
    b = GraphBuilder()
    y = b.node("Conv", b.input(2, 12, 4, 4), b.weights(8, 12, 1, 1), b.vector(8))
    model, _ = rewrite(b.model(b.node("PRelu", y, b.constant(b.rng.random((8, 1, 1))))))
    node = only(sparse_nodes(model))
    assert node.name == "node0"
    names = dict(zip(INPUTS, node.input, strict=True))
    assert names == {
        "X": "input0",
        "values": "node0.values",
        "indices": "node0.indices",
        "indptr": "node0.indptr",
        "bias": "node0.bias",
        "residual": "",
        "slope": "node0.slope",
    }
    assert {t.name for t in model.graph.initializer} == set(names.values()) - {"", "input0"}
    assert [(p.key, p.value) for p in node.metadata_props] == [("ort_sparse.origin", "Conv+PRelu")]


def test_names_that_are_taken_get_a_number():
    b = GraphBuilder()
    b.initializers.append(onnx.numpy_helper.from_array(np.float32([2]), "node0.values"))
    y = b.node("Conv", b.input(2, 12, 4, 4), b.weights(8, 12, 1, 1))
    model, _ = rewrite(b.model(b.node("Max", y, "node0.values")))
    assert only(sparse_nodes(model)).input[1] == "node0.values_2"


def test_weights_shared_by_two_layers_are_stored_once():
    b = GraphBuilder()
    weights = b.weights(8, 8, 1, 1)
    y = b.node("Conv", b.node("Conv", b.input(2, 8, 4, 4), weights), weights, b.vector(8))
    model, reports = rewrite(b.model(y))
    first, second = sparse_nodes(model)
    assert first.input[1:4] == second.input[1:4]
    assert [r.replaced for r in reports] == [True, True]


def test_weights_shared_with_a_layer_that_stays_are_kept():
    b = GraphBuilder()
    weights = b.weights(8, 8, 1, 1)
    y = b.node("Conv", b.input(2, 8, 4, 4), weights)
    model, _ = rewrite(b.model(b.node("Conv", y, weights, pads=[1, 1, 1, 1])))
    assert op_types(model) == ["SparseConv1x1", "Conv"]
    assert array_of(model, weights).shape == (8, 8, 1, 1)


@pytest.mark.parametrize(
    ("height", "given", "chosen"),
    [(4, None, 4), (4, 1, 1), (4, 2, 2), (4, 4, 4), (2, None, 2), (1, None, 1)],
)
def test_block_rows(height, given, chosen):
    b = GraphBuilder()
    dense = np.repeat(b.sparse(16 // height, 32, zeros=0.75), height, axis=0)
    weights = b.constant(dense.reshape(16, 32, 1, 1))
    model = b.model(b.node("Conv", b.input(1, 32, 4, 4), weights))
    result, (report,) = rewrite(model, block_rows=given)
    assert report.block_rows == chosen
    assert attributes(only(sparse_nodes(result))).get("block_rows", 1) == chosen
    blocks = (dense.reshape(16 // chosen, chosen, 32) != 0).any(axis=1).sum()
    assert report.macs_after == blocks * chosen * 16
    assert (report.bytes_before, report.bytes_after) == (
        16 * 32 * 4,
        blocks * (chosen * 4 + 1) + 16 // chosen + 1,
    )


@pytest.mark.parametrize(
    ("rows", "groups", "given", "chosen"), [(6, 1, 4, 2), (7, 1, 4, 1), (12, 2, 4, 2)]
)
def test_block_rows_that_do_not_divide_fall_back(rows, groups, given, chosen):
    model = conv_model((rows, 8, 1, 1), (1, 8 * groups, 4, 4), group=groups)
    _, (report,) = rewrite(model, block_rows=given)
    assert report.block_rows == chosen
    assert f"blocks of {given} rows do not divide {rows // groups}" in report.reason


@pytest.mark.parametrize("exact", [True, False])
def test_weights_that_are_exact_in_float16_are_stored_so(exact):
    b = GraphBuilder()
    dense = b.sparse(8, 12, 1, 1).astype(np.float16).astype(np.float32)
    if not exact:
        dense.ravel()[np.argmax(dense != 0)] = 1 + 2**-12
    y = b.node("Conv", b.input(1, 12, 4, 4), b.constant(dense), b.constant(np.float32([0.1] * 8)))
    model, (report,) = rewrite(b.model(y))
    names = dict(zip(INPUTS, only(sparse_nodes(model)).input, strict=False))
    values = array_of(model, names["values"])
    assert values.dtype == (np.float16 if exact else np.float32)
    assert sorted(values.ravel().tolist()) == sorted(dense[dense != 0].tolist())
    assert array_of(model, names["bias"]).dtype == np.float32
    assert report.bytes_before == dense.size * values.itemsize


def test_unknown_sizes_have_no_macs():
    _, (report,) = rewrite(conv_model((8, 12, 1, 1), (1, 12, "H", "W")))
    assert (report.macs_before, report.macs_after) == (None, None)


def test_all_weights_zero():
    model, (report,) = rewrite(conv_model((8, 12, 1, 1), (1, 12, 4, 4), zeros=1.0))
    assert report.macs_after == 0
    assert op_types(model) == ["SparseConv1x1"]


def test_broken_sparse_conv_is_named():
    model, _ = rewrite(conv_model((8, 12, 1, 1), (1, 12, 4, 4)))
    node = only(sparse_nodes(model))
    indptr = array_of(model, node.input[3]).copy()
    indptr[-1] += 1
    tensor = onnx.numpy_helper.from_array(indptr, node.input[3])
    next(t for t in model.graph.initializer if t.name == node.input[3]).CopyFrom(tensor)
    with pytest.raises(InvalidModelError, match="node 'node0': indptr: must end with"):
        sparsify(ir.from_proto(model), min_sparsity=0.5)


def test_of_equally_small_block_heights_the_highest_is_chosen():
    b = GraphBuilder()
    dense = np.zeros((2, 16), np.float32)
    dense[:, :4] = 0.1
    dense[1, 3] = 0  # 7 values in blocks of 1: 7 * 5 + 3 bytes; 4 blocks of 2: 4 * 9 + 2
    y = b.node("Conv", b.input(1, 16, 2, 2), b.constant(dense.reshape(2, 16, 1, 1)))
    _, (report,) = rewrite(b.model(y))
    assert (report.block_rows, report.bytes_after) == (2, 38)
