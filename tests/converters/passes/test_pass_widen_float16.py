"""Models that compute in float16."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper
from pass_helpers import (
    GraphBuilder,
    array_of,
    assert_same_results,
    op_types,
    rewrite,
    sparse_nodes,
)

from ort_sparse.conversion import convert_and_report
from ort_sparse.converters.passes import to_model_proto, widen_float16
from ort_sparse.options import ConvertOptions

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
ROUNDING = 4e-3
"""A few roundings to float16, relative."""


class HalfBuilder(GraphBuilder):
    """Builds graphs whose inputs and constants are float16."""

    def input(self, *shape, dtype=HALF):
        return super().input(*shape, dtype=dtype)

    def constant(self, array, dtype=np.float16):
        return super().constant(array, dtype)

    def weights(self, *shape, zeros=0.8, dtype=np.float16):
        return super().weights(*shape, zeros=zeros, dtype=dtype)


def widened(b: HalfBuilder, *outputs: str, dtype: int = HALF) -> onnx.ModelProto:
    """Widen and sparsify a model, and prove that it computes the same but for rounding."""
    model = b.model(*outputs, dtype=dtype)
    graph = ir.from_proto(model)
    assert widen_float16(graph)
    wide = to_model_proto(graph)
    onnx.checker.check_model(wide, full_check=True)
    assert list(wide.graph.input) == list(model.graph.input)
    assert list(wide.graph.output) == list(model.graph.output)
    assert_same_results(model, wide, tolerance=ROUNDING)
    return rewrite(wide)[0]


def test_layers_compute_in_float32():
    b = HalfBuilder()
    x = b.input("N", 8, 5, 5)
    y = b.node("Relu", b.node("Add", b.conv(x, 8, 8), x))
    y = b.node("Clip", b.conv(y, 8, 8), b.constant(0.0), b.constant(6.0))
    model = widened(b, b.node("MaxPool", y, kernel_shape=[2, 2]))
    assert op_types(model) == ["Cast", "SparseConv1x1", "SparseConv1x1", "MaxPool", "Cast"]
    for node in sparse_nodes(model):
        assert array_of(model, node.input[1]).dtype == np.float16


def test_several_inputs_and_outputs():
    b = HalfBuilder()
    x, wide = b.input(2, 12, 5, 5), b.input(2, 8, 5, 5, dtype=FLOAT)
    b.input(3)  # nobody reads it
    y = b.node("Cast", b.conv(x, 8, 12), to=FLOAT)
    y = b.node("Cast", b.node("Mul", y, wide), to=HALF)
    assert op_types(widened(b, b.node("Neg", y), y)).count("Cast") == 5


def test_values_that_nodes_hold():
    b = HalfBuilder()
    shape = b.constant([2, 12, 5, 5], np.int64)
    value = numpy_helper.from_array(np.float16([0.5]))
    y = b.node("Add", b.node("ConstantOfShape", shape, value=value), b.input(2, 12, 5, 5))
    y = b.node("Mul", b.conv(y, 8, 12), b.node("Constant", value=value))
    assert "SparseConv1x1" in op_types(widened(b, b.node("Neg", y)))


def test_subgraphs():
    b = HalfBuilder()
    y = b.conv(b.input(2, 12, 5, 5), 8, 12)
    output = helper.make_tensor_value_info("z", HALF, (2, 8, 5, 5))
    two = numpy_helper.from_array(np.float16(2), "two")
    branches = [
        helper.make_graph([helper.make_node(op, [y, "two"], ["z"])], op, [], [output], [two])
        for op in ("Mul", "Sub")
    ]
    y = b.node("If", b.constant(True, bool), then_branch=branches[0], else_branch=branches[1])
    assert op_types(widened(b, y)) == ["Cast", "SparseConv1x1", "If", "Cast"]


def test_inputs_and_outputs_of_float32():
    b = HalfBuilder()
    x = b.node("Cast", b.input(2, 12, 5, 5, dtype=FLOAT), to=HALF)
    y = b.node("Cast", b.conv(x, 8, 12), to=FLOAT)
    assert "SparseConv1x1" in op_types(widened(b, y, dtype=FLOAT))


def test_other_models_stay():
    b = GraphBuilder()
    half = b.constant(b.sparse(12, 8), np.float16)
    y = b.node("MatMul", b.input(2, 12), b.node("Cast", half, to=FLOAT))
    assert not widen_float16(ir.from_proto(b.model(y)))


def test_convert_stores_float16_and_allows_for_its_rounding():
    b = HalfBuilder()
    y = b.node("Relu", b.conv(b.input("N", 64, 28, 28), 64, 64))
    y = b.node("Conv", y, b.weights(64, 64, 3, 3, zeros=0), pads=[1] * 4)
    model = b.model(y, dtype=HALF)
    conversion = convert_and_report(model, ConvertOptions(layers="all"))
    assert conversion.replaced == 1
    assert conversion.comparison.passed
    assert conversion.model.ByteSize() < model.ByteSize()


def test_convert_returns_a_model_with_nothing_sparse_as_it_was():
    b = HalfBuilder()
    y = b.node("Conv", b.input(1, 12, 5, 5), b.weights(8, 12, 1, 1, zeros=0))
    model = b.model(y, dtype=HALF)
    assert convert_and_report(model).model is model
