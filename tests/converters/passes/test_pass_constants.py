"""Constants behind chains of nodes, and float16."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, numpy_helper
from pass_helpers import GraphBuilder, array_of, only, op_types, rewrite, session, sparse_nodes

from ort_sparse.converters.passes import find_other_layers, sparsify
from ort_sparse.converters.passes.constants import constant_array, exact_float16
from ort_sparse.errors import InvalidModelError


def assert_folds(b: GraphBuilder, value: str, tolerance: float = 0) -> None:
    """Compare what the pass takes for the constant ``value`` with what ONNX Runtime computes."""
    model = b.model(b.node("Cast", value, to=TensorProto.FLOAT))
    graph = ir.from_proto(model).graph
    array = constant_array(ir.convenience.create_value_mapping(graph)[value])
    assert array is not None
    (expected,) = session(model).run(None, {})
    np.testing.assert_allclose(array.astype(np.float32), expected, rtol=0, atol=tolerance)


def assert_stays(b: GraphBuilder, value: str) -> None:
    graph = ir.from_proto(b.model(b.node("Cast", value, to=TensorProto.FLOAT))).graph
    assert constant_array(ir.convenience.create_value_mapping(graph)[value]) is None


@pytest.mark.parametrize(
    ("op_type", "shape", "extra", "given"),
    [
        ("Identity", (2, 3), None, {}),
        ("Transpose", (2, 3, 4), None, {}),
        ("Transpose", (2, 3, 4), None, {"perm": [2, 0, 1]}),
        ("Reshape", (2, 3, 4), [0, -1], {}),
        ("Reshape", (2, 3, 4), [4, 3, 2], {"allowzero": 1}),
        ("Flatten", (2, 3, 4), None, {}),
        ("Flatten", (2, 3, 4), None, {"axis": -1}),
        ("Flatten", (2, 3, 4), None, {"axis": 0}),
        ("Squeeze", (1, 3, 1), [2], {}),
        ("Squeeze", (1, 3, 1), None, {}),
        ("Unsqueeze", (3, 4), [0, -1], {}),
        ("Cast", (3, 4), None, {"to": TensorProto.FLOAT16}),
        ("Cast", (3, 4), None, {"to": TensorProto.DOUBLE}),
        ("Cast", (3, 4), None, {"to": TensorProto.BFLOAT16}),
    ],
)
def test_reshaping_and_casting(op_type, shape, extra, given):
    b = GraphBuilder()
    inputs = [] if extra is None else [b.constant(extra, np.int64)]
    value = b.node(op_type, b.constant(b.rng.standard_normal(shape)), *inputs, **given)
    assert_folds(b, value)


@pytest.mark.parametrize(
    ("op_type", "shape", "axes"), [("Squeeze", (1, 3, 1), [0]), ("Unsqueeze", (3, 4), [1])]
)
def test_axes_as_attributes(op_type, shape, axes):
    b = GraphBuilder(opset=11)
    assert_folds(b, b.node(op_type, b.constant(b.rng.standard_normal(shape)), axes=axes))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("zero_point", [True, False])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_dequantize_linear(dtype, zero_point, axis):
    b = GraphBuilder()
    size = () if axis is None else (6,)
    operands = [
        b.constant(b.rng.integers(0, 100, (6, 6)), dtype),
        b.constant(b.rng.uniform(0.01, 0.1, size)),
    ]
    if zero_point:
        operands.append(b.constant(b.rng.integers(0, 9, size), dtype))
    given = {} if axis is None else {"axis": axis}
    assert_folds(b, b.node("DequantizeLinear", *operands, **given))


def test_dequantize_linear_of_4_bits():
    b = GraphBuilder(opset=21)
    b.initializers.append(
        numpy_helper.from_array(np.arange(-8, 8).astype(ml_dtypes.int4).reshape(4, 4), "packed")
    )
    assert_folds(b, b.node("DequantizeLinear", "packed", b.constant([0.5] * 4), axis=0))


def test_dequantize_linear_by_blocks_stays():
    b = GraphBuilder(opset=21)
    operands = [b.constant(np.ones((4, 4)), np.int8), b.constant(np.ones((4, 2)))]
    assert_stays(b, b.node("DequantizeLinear", *operands, axis=1, block_size=2))


@pytest.mark.parametrize("values", [[-3.0, 0.5, 7.3], [1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]])
def test_dynamic_quantize_linear(values):
    # tf2onnx puts this on the bias of layers with dynamic-range weights
    b = GraphBuilder()
    value = b.node("DynamicQuantizeLinear", b.constant(values))
    b.nodes[-1].output.extend(["scale", "zero_point"])
    assert_folds(b, b.node("DequantizeLinear", value, "scale", "zero_point"))


def test_other_operators_stay():
    b = GraphBuilder()
    assert_stays(b, b.node("Neg", b.constant([1.0])))
    assert_stays(b, b.node("Cast", b.constant([1.5]), to=TensorProto.INT32))


def test_chain_of_constant_nodes():
    b = GraphBuilder()
    half = numpy_helper.from_array(b.sparse(12, 8).astype(np.float16))
    value = b.node("Cast", b.node("Constant", value=half), to=TensorProto.FLOAT)
    value = b.node("Reshape", b.node("Transpose", value), b.constant([8, 12, 1, 1], np.int64))
    y = b.node("Conv", b.input(1, 12, 4, 4), b.node("Identity", value))
    model, (report,) = rewrite(b.model(y))
    assert op_types(model) == ["SparseConv1x1"]
    node = only(sparse_nodes(model))
    assert array_of(model, node.input[1]).dtype == np.float16
    assert len(model.graph.initializer) == 3
    assert report.bytes_before == 12 * 8 * 2


def test_weights_of_8_bits():
    b = GraphBuilder()
    quantized = (b.sparse(8, 12, 1, 1) * 100).astype(np.int8)
    scales = b.constant(b.rng.uniform(0.01, 0.1, 8))
    weights = b.node("DequantizeLinear", b.constant(quantized, np.int8), scales, axis=0)
    model, (report,) = rewrite(b.model(b.node("Conv", b.input(1, 12, 4, 4), weights)))
    assert op_types(model) == ["SparseConv1x1"]
    assert report.bytes_before == 96


def test_layer_with_quantized_activations_stays():
    # ONNX Runtime makes one 8-bit node of it
    b = GraphBuilder()
    scale = b.constant(0.02)
    x = b.node("DequantizeLinear", b.node("QuantizeLinear", b.input(1, 12, 4, 4), scale), scale)
    quantized = b.constant((b.sparse(8, 12, 1, 1) * 100).astype(np.int8), np.int8)
    y = b.node("Conv", x, b.node("DequantizeLinear", quantized, scale))
    model, reports = rewrite(b.model(b.node("QuantizeLinear", y, scale), dtype=TensorProto.UINT8))
    assert "SparseConv1x1" not in op_types(model)
    assert reports == []
    (layer,) = find_other_layers(ir.from_proto(model), min_sparsity=0.5)
    assert layer.reason == "its activations are quantized"


def test_weights_behind_a_mask():
    # what torch.nn.utils.prune leaves until it is told to remove its masks
    b = GraphBuilder()
    mask = b.constant(b.rng.random((8, 12, 1, 1)) < 0.1)
    weights = b.node("Mul", b.constant(b.rng.standard_normal((8, 12, 1, 1))), mask)
    model, _ = rewrite(b.model(b.node("Conv", b.input(1, 12, 4, 4), weights)))
    assert op_types(model) == ["SparseConv1x1"]


def test_product_that_is_larger_than_its_factors_stays():
    b = GraphBuilder()
    assert_stays(b, b.node("Mul", b.constant(np.ones((50000, 1))), b.constant(np.ones((1, 50000)))))


def test_very_long_chain_stays():
    b = GraphBuilder()
    value = b.weights(12, 8)
    for _ in range(5000):
        value = b.node("Identity", value)
    graph = ir.from_proto(b.model(b.node("MatMul", b.input(2, 12), value)))
    assert sparsify(graph, min_sparsity=0.5) == []


def test_chain_that_contradicts_itself():
    b = GraphBuilder()
    weights = b.node("Reshape", b.weights(12, 8), b.constant([12, 9], np.int64))
    model = b.model(b.node("MatMul", b.input(2, 12), weights))
    with pytest.raises(InvalidModelError, match="node 'node0': Reshape of constants"):
        sparsify(ir.from_proto(model), min_sparsity=0.5)


def external(path) -> onnx.ModelProto:
    b = GraphBuilder()
    weights = b.weights(64, 64, 1, 1)
    onnx.save(
        b.model(b.node("Conv", b.input(1, 64, 4, 4), weights)),
        path,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    return onnx.load(path)


def test_external_data(tmp_path):
    path = tmp_path / "model.onnx"
    whole = external(path)
    model = ir.load(path)
    (report,) = sparsify(model, min_sparsity=0.5)
    assert report.replaced
    expected = ir.from_proto(whole)
    sparsify(expected, min_sparsity=0.5)
    assert ir.to_proto(model).graph.initializer == ir.to_proto(expected).graph.initializer


def test_external_data_that_is_missing_or_short(tmp_path):
    path = tmp_path / "model.onnx"
    external(path)
    data = tmp_path / "weights.bin"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(InvalidModelError, match="constant 'constant0': cannot be read"):
        sparsify(ir.load(path), min_sparsity=0.5)
    data.unlink()
    with pytest.raises(InvalidModelError, match="constant 'constant0': cannot be read"):
        sparsify(ir.load(path), min_sparsity=0.5)


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=2), elements=st.floats(width=32)))
def test_float16_is_never_lossy(array):
    stored = exact_float16(array)
    assert stored.dtype in (np.float16, np.float32)
    assert stored.astype(np.float32).tobytes() == array.tobytes()


@given(hnp.arrays(np.float16, 5, elements=st.floats(width=16, allow_nan=False)))
def test_float16_is_found(array):
    assert exact_float16(array.astype(np.float32)).dtype == np.float16


@pytest.mark.parametrize("value", [65536.0, 65520.0, 2**-25, 1 + 2**-11, 1e-40, np.nan])
def test_float32_that_float16_lacks(value):
    assert exact_float16(np.float32([1, value])).dtype == np.float32


@pytest.mark.parametrize("value", [65504.0, 2**-24, 3 * 2**-24, -0.0, np.inf, -np.inf])
def test_float32_that_float16_has(value):
    assert exact_float16(np.float32([1, value])).dtype == np.float16
