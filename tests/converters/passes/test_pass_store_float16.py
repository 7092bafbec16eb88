"""Initializers that float16 holds exactly."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper
from pass_helpers import GraphBuilder, assert_same_results, op_types

from ort_sparse.converters.passes import StoreFloat16Pass, sparsify, to_model_proto


def store(model: onnx.ModelProto) -> onnx.ModelProto:
    graph = ir.from_proto(model)
    modified = StoreFloat16Pass()(graph).modified
    result = to_model_proto(graph)
    onnx.checker.check_model(result, check_custom_domain=True, full_check=True)
    assert modified == ("Cast" in op_types(result))
    assert not StoreFloat16Pass()(ir.from_proto(result)).modified
    return result


def halves(b: GraphBuilder, *shape: int) -> str:
    return b.constant(b.rng.standard_normal(shape).astype(np.float16))


def test_weights_are_stored_as_float16():
    b = GraphBuilder()
    y = b.node("Conv", b.input(1, 8, 9, 9), halves(b, 8, 8, 3, 3), halves(b, 8))
    model = b.model(y)
    stored = store(model)
    assert op_types(stored) == ["Cast", "Conv"]
    sizes = {t.name: (t.data_type, len(t.raw_data)) for t in stored.graph.initializer}
    assert sizes == {
        "constant0.float16": (TensorProto.FLOAT16, 8 * 8 * 9 * 2),
        "constant1": (TensorProto.FLOAT, 32),
    }
    assert stored.graph.node[1].input[1] == "constant0"
    assert_same_results(model, stored, tolerance=0)


def test_weights_that_float16_lacks_stay():
    b = GraphBuilder()
    y = b.node("Conv", b.input(1, 8, 9, 9), b.weights(8, 8, 3, 3))
    assert op_types(store(b.model(y))) == ["Conv"]


def test_shared_initializer_has_one_cast():
    b = GraphBuilder()
    weights = halves(b, 8, 8, 3, 3)
    x = b.input(1, 8, 9, 9)
    model = b.model(b.node("Conv", x, weights), b.node("Conv", x, weights))
    stored = store(model)
    assert op_types(stored) == ["Cast", "Conv", "Conv"]
    assert_same_results(model, stored, tolerance=0)


def test_inputs_outputs_and_small_ones_stay():
    b = GraphBuilder()
    output, small, overridable = halves(b, 8, 8), halves(b, 7, 9), halves(b, 8, 8)
    y = b.node("Add", b.input(8, 8), overridable)
    y = b.node("Sub", y, output)
    z = b.node("Mul", b.input(7, 9), small)
    model = b.model(y, z)
    model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, (8, 8)))
    model.graph.input.append(helper.make_tensor_value_info(overridable, TensorProto.FLOAT, (8, 8)))
    assert op_types(store(model)) == ["Add", "Sub", "Mul"]


def test_initializer_used_in_a_subgraph_stays():
    b = GraphBuilder()
    captured = halves(b, 8, 8)
    branches = [
        helper.make_graph(
            [helper.make_node(op_type, [captured], ["y"])],
            op_type,
            [],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (8, 8))],
        )
        for op_type in ("Neg", "Exp")
    ]
    condition = b.constant(True, bool)
    y = b.node("If", condition, then_branch=branches[0], else_branch=branches[1])
    assert op_types(store(b.model(y))) == ["If"]


def test_constants_of_sparse_layers_stay():
    b = GraphBuilder()
    y = b.node("Conv", b.input(1, 64, 4, 4), halves(b, 64, 64, 1, 1), halves(b, 64))
    graph = ir.from_proto(b.model(y))
    sparsify(graph, min_sparsity=0)
    # as another program may have written it
    for name, value in graph.graph.initializers.items():
        array = value.const_value.numpy()
        if array.dtype == np.float16:
            value.const_value = ir.tensor(array.astype(np.float32), name=name)
            value.type = ir.TensorType(ir.DataType.FLOAT)
    assert op_types(store(to_model_proto(graph))) == ["SparseConv1x1"]


@pytest.mark.parametrize("level", ["ORT_ENABLE_ALL", "ORT_ENABLE_EXTENDED"])
def test_onnx_runtime_fuses_as_before(level, tmp_path):
    b = GraphBuilder()
    y = b.node("Conv", b.input(1, 16, 9, 9), halves(b, 16, 16, 3, 3), halves(b, 16))
    y = b.node("Relu", y)
    y = b.node("Conv", y, halves(b, 16, 1, 3, 3), halves(b, 16), group=16)
    scale, mean = halves(b, 16), halves(b, 16)
    y = b.node("BatchNormalization", y, scale, mean, mean, b.constant(np.ones(16)))
    y = b.node("Relu", y)
    y = b.node("MatMul", b.node("Flatten", y), halves(b, 400, 64))
    model = b.model(y)

    def optimized(proto: onnx.ModelProto) -> list[str]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
        onnxruntime.InferenceSession(proto.SerializeToString(), options)
        graph = onnx.load(tmp_path / "optimized.onnx").graph
        return [f"{node.domain}.{node.op_type}" for node in graph.node]

    stored = store(model)
    assert op_types(stored).count("Cast") == 3
    assert optimized(stored) == optimized(model)
    assert ".Cast" not in optimized(stored)
