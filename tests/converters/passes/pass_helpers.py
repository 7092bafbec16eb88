"""Small graphs, and the proof that rewriting them changes no number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ort_sparse.converters.passes import LayerReport, densify, sparsify, to_model_proto
from ort_sparse.converters.passes.shapes import infer_shapes
from ort_sparse.op import OP_TYPE

SYMBOL_SIZE = 3
"""Size given to every symbolic dimension."""


DTYPES = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


class GraphBuilder:
    """Builds a model node by node; every method returns the name of a value."""

    def __init__(self, opset: int = 17, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []

    def input(self, *shape: int | str | None, dtype: int = onnx.TensorProto.FLOAT) -> str:
        name = f"input{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        name = f"constant{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def weights(self, *shape: int, zeros: float = 0.8, dtype: Any = np.float32) -> str:
        return self.constant(self.sparse(*shape, zeros=zeros), dtype)

    def sparse(self, *shape: int, zeros: float = 0.8) -> NDArray[np.float32]:
        """Return random numbers of which exactly this share, rounded, are zero."""
        values = self.rng.uniform(0.5, 1.5, shape) * self.rng.choice([-1, 1], shape)
        values.ravel()[self.rng.permutation(values.size)[: round(zeros * values.size)]] = 0
        return values.astype(np.float32)

    def vector(self, size: int) -> str:
        return self.constant(self.rng.standard_normal(size))

    def node(self, op_type: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        name = f"value{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(
                op_type, inputs, [name], name=f"node{len(self.nodes)}", domain=domain, **attributes
            )
        )
        return name

    def conv(self, x: str, rows: int, columns: int, rank: int = 4, **attributes: Any) -> str:
        """Add a 1x1 convolution with weights of 80 % zeros and a bias."""
        weights = self.weights(rows, columns, *[1] * (rank - 2))
        return self.node("Conv", x, weights, self.vector(rows), **attributes)

    def model(self, *outputs: str, dtype: int = onnx.TensorProto.FLOAT) -> onnx.ModelProto:
        """Return the model; only its inputs and outputs have shapes."""
        graph = helper.make_graph(
            self.nodes,
            "graph",
            self.inputs,
            [helper.make_tensor_value_info(name, dtype, None) for name in outputs],
            self.initializers,
        )
        versions = {node.domain: 1 for node in self.nodes} | {"": self.opset}
        opsets = [helper.make_opsetid(*version) for version in sorted(versions.items())]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        model = onnx.shape_inference.infer_shapes(model)
        del model.graph.value_info[:]
        return model

    def model_with_output_shapes(self, *outputs: str) -> onnx.ModelProto:
        """Return the model; outputs have shapes also behind operators that onnx does not know."""
        graph = ir.from_proto(self.model(*outputs))
        infer_shapes(graph)
        return to_model_proto(graph)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    # at ORT_ENABLE_ALL, ONNX Runtime 1.31 loses a Conv's result that is a graph output and is added
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def run(model: onnx.ModelProto, seed: int = 1) -> list[NDArray[Any]]:
    """Run a model of standard operators on random numbers."""
    runner = session(model)
    rng = np.random.default_rng(seed)
    feed = {}
    for value in runner.get_inputs():
        shape = [size if isinstance(size, int) else SYMBOL_SIZE for size in value.shape]
        dtype = DTYPES[value.type]
        feed[value.name] = rng.standard_normal(shape).astype(dtype)
    return list(runner.run(None, feed))


def densified(model: onnx.ModelProto) -> onnx.ModelProto:
    graph = ir.from_proto(model)
    densify(graph)
    result = to_model_proto(graph)
    assert sparse_nodes(result) == []
    onnx.checker.check_model(result, full_check=True)
    return result


def assert_same_results(
    expected: onnx.ModelProto, actual: onnx.ModelProto, tolerance: float = 1e-5
) -> None:
    for a, b in zip(run(expected), run(actual), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * max(1.0, float(np.abs(a).max())))


def rewrite(
    model: onnx.ModelProto, *, min_sparsity: float = 0.5, tolerance: float = 1e-5, **options: Any
) -> tuple[onnx.ModelProto, list[LayerReport]]:
    """Sparsify a model, and prove that it is valid, computes the same, and stays as it is."""
    onnx.checker.check_model(model)
    graph = ir.from_proto(model)
    reports = sparsify(graph, min_sparsity=min_sparsity, **options)
    result = to_model_proto(graph)
    onnx.checker.check_model(result, check_custom_domain=True, full_check=True)
    assert [v.name for v in result.graph.input] == [v.name for v in model.graph.input]
    assert [v.name for v in result.graph.output] == [v.name for v in model.graph.output]
    assert_same_results(model, densified(result), tolerance)
    again = ir.from_proto(result)
    sparsify(again, min_sparsity=min_sparsity, **options)
    assert to_model_proto(again) == result
    return result, reports


def op_types(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def sparse_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == OP_TYPE]


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of a node, strings as str."""
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


def array_of(model: onnx.ModelProto, name: str) -> NDArray[Any]:
    (tensor,) = [t for t in model.graph.initializer if t.name == name]
    return numpy_helper.to_array(tensor)


def only(items: Sequence[Any]) -> Any:
    (item,) = items
    return item
