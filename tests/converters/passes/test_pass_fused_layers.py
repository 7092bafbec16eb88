"""Layers in the forms that ONNX Runtime gives them when it optimizes a model."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from pass_helpers import GraphBuilder, attributes, op_types, rewrite, sparse_nodes

from ort_sparse.converters.passes import find_other_layers, sparsify

MICROSOFT = "com.microsoft"


def optimized(model: onnx.ModelProto, path, level: str = "EXTENDED") -> onnx.ModelProto:
    """Return the model as ONNX Runtime writes it after optimizing."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(
        onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}"
    )
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return onnx.load(path)


@pytest.mark.parametrize(
    ("op_type", "given", "expected"),
    [
        ("Relu", {}, {"activation": "clip", "activation_min": 0.0}),
        ("Sigmoid", {}, {"activation": "sigmoid"}),
        (
            "LeakyRelu",
            {"alpha": 0.3},
            {"activation": "leaky_relu", "activation_alpha": pytest.approx(0.3)},
        ),
    ],
)
def test_convolutions_that_onnx_runtime_fused(op_type, given, expected, tmp_path):
    b = GraphBuilder()
    y = b.node(op_type, b.conv(b.input(2, 12, 5, 5), 8, 12, strides=[2, 2]), **given)
    model = optimized(b.model_with_output_shapes(y), tmp_path / "o.onnx")
    assert op_types(model) == ["FusedConv"]
    result, (report,) = rewrite(model)
    assert op_types(result) == ["SparseConv1x1"]
    (node,) = sparse_nodes(result)
    assert expected.items() <= attributes(node).items()
    assert (report.kind, report.shape, report.macs_before) == ("FusedConv", (8, 12), 8 * 12 * 9)


@pytest.mark.parametrize("op_type", ["Tanh", "HardSigmoid"])
def test_activation_that_sparse_layers_lack_becomes_an_operator(op_type, tmp_path):
    b = GraphBuilder()
    given = {"alpha": 0.3, "beta": 0.4} if op_type == "HardSigmoid" else {}
    y = b.node(op_type, b.conv(b.input(2, 12, 5, 5), 8, 12), **given)
    model = optimized(b.model_with_output_shapes(y), tmp_path / "o.onnx")
    assert op_types(model) == ["FusedConv"]
    assert op_types(rewrite(model)[0]) == ["SparseConv1x1", op_type]


def fused_conv(b: GraphBuilder, *more: str, **given) -> str:
    inputs = (b.input(1, 12, 5, 5), b.weights(8, 12, 1, 1), b.vector(8), *more)
    return b.node("FusedConv", *inputs, domain=MICROSOFT, **given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        (
            {"activation": "Clip", "activation_params": [-1.0, 2.0]},
            {"activation": "clip", "activation_min": -1.0, "activation_max": 2.0},
        ),
    ],
)
def test_other_fused_convolutions(given, expected):
    b = GraphBuilder()
    result, _ = rewrite(b.model_with_output_shapes(fused_conv(b, **given)))
    (node,) = sparse_nodes(result)
    assert expected.items() <= attributes(node).items()
    assert op_types(result) == ["SparseConv1x1"]


@pytest.mark.parametrize("op_type", [None, "Relu", "Tanh"])
def test_sum_of_a_fused_convolution(op_type):
    """The fourth input is added before the activation."""
    b = GraphBuilder()
    y = fused_conv(b, b.input(1, 8, 5, 5), **({"activation": op_type} if op_type else {}))
    result, _ = rewrite(b.model_with_output_shapes(y))
    assert op_types(result) == ["SparseConv1x1", *(["Tanh"] * (op_type == "Tanh"))]
    (node,) = sparse_nodes(result)
    assert node.input[5]


def test_fused_convolution_with_an_activation_takes_no_second_one():
    b = GraphBuilder()
    y = b.node("Relu", fused_conv(b, activation="Sigmoid"))
    assert op_types(rewrite(b.model_with_output_shapes(y))[0]) == ["SparseConv1x1", "Relu"]


def test_chain_of_fused_convolutions_has_known_sizes():
    """onnx does not infer the shapes of ONNX Runtime's operators."""
    b = GraphBuilder()
    y = b.input(1, 12, 8, 8)
    for columns in (12, 8):
        y = b.node(
            "FusedConv",
            *(y, b.weights(8, columns, 1, 1), b.vector(8)),
            domain=MICROSOFT,
            activation="Relu",
            strides=[2, 2],
        )
    _, reports = rewrite(b.model_with_output_shapes(y))
    assert [report.macs_before for report in reports] == [8 * 12 * 16, 8 * 8 * 4]


@pytest.mark.parametrize("shape", [("N", 12), (2, "L", 12), (2, 3, 4, 12)])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_fused_matmul(shape, trans_b):
    b = GraphBuilder()
    weights = b.weights(*((8, 12) if trans_b else (12, 8)))
    inputs = (b.input(*shape), weights)
    y = b.node("FusedMatMul", *inputs, domain=MICROSOFT, alpha=0.5, transB=trans_b)
    y = b.node("Add", y, b.vector(8))
    result, (report,) = rewrite(b.model_with_output_shapes(y))
    steps = ["Transpose"] * (len(shape) > 2)
    assert op_types(result) == [*steps, "SparseConv1x1", *steps]
    assert (report.kind, report.shape) == ("FusedMatMul", (8, 12))


@pytest.mark.parametrize(
    ("shape", "rewritten"),
    [
        ((12, 5), ["Transpose", "SparseConv1x1"]),
        ((2, 12, 5), ["SparseConv1x1", "Transpose"]),
        ((2, 3, 12, 5), ["Transpose", "SparseConv1x1", "Transpose"]),
        ((1, 2, 3, 12, 5), ["Transpose", "SparseConv1x1", "Transpose"]),
    ],
)
def test_fused_matmul_of_a_transposed_input(shape, rewritten):
    b = GraphBuilder()
    inputs = (b.input(*shape), b.weights(12, 8))
    y = b.node("Relu", b.node("FusedMatMul", *inputs, domain=MICROSOFT, transA=1))
    result, (report,) = rewrite(b.model_with_output_shapes(y))
    assert op_types(result) == rewritten
    assert report.macs_before == 8 * 12 * int(np.prod(shape[1:-2], initial=1)) * (
        5 if len(shape) > 2 else 1
    )


@pytest.mark.parametrize(
    ("shape", "trans_b", "rewritten"),
    [
        ((12, 5), 0, ["Reshape", "SparseConv1x1", "Reshape"]),
        ((5, 12), 1, ["SparseConv1x1", "Transpose"]),
        ((2, 12, 5), 0, ["SparseConv1x1"]),
        ((2, 5, 12), 1, ["Transpose", "SparseConv1x1"]),
    ],
)
@pytest.mark.parametrize("trans_a", [0, 1])
def test_fused_matmul_with_the_constant_on_the_left(shape, trans_b, rewritten, trans_a):
    b = GraphBuilder()
    weights = b.weights(*((12, 8) if trans_a else (8, 12)))
    given = {"transA": trans_a, "transB": trans_b, "alpha": 2.0}
    y = b.node("FusedMatMul", weights, b.input(*shape), domain=MICROSOFT, **given)
    y = b.node("Relu", b.node("Add", y, b.constant(b.rng.standard_normal((8, 1)))))
    assert op_types(rewrite(b.model_with_output_shapes(y))[0]) == rewritten


def test_residual_of_a_transposed_input():
    b = GraphBuilder()
    inputs = (b.input(2, 12, 5), b.weights(12, 8))
    y = b.node("FusedMatMul", *inputs, domain=MICROSOFT, transA=1)
    result, _ = rewrite(b.model_with_output_shapes(b.node("Add", y, b.input(2, 5, 8))))
    assert sorted(op_types(result)) == ["SparseConv1x1", "Transpose", "Transpose"]


def test_fused_matmul_of_transposed_batches_stays():
    b = GraphBuilder()
    inputs = (b.input(5, 2, 12), b.weights(12, 8))
    y = b.node("FusedMatMul", *inputs, domain=MICROSOFT, transBatchA=1)
    graph = ir.from_proto(b.model_with_output_shapes(y))
    assert sparsify(graph, min_sparsity=0.5) == []
    (layer,) = find_other_layers(graph, min_sparsity=0.5)
    assert layer.reason == "its batch is transposed"


@pytest.mark.parametrize("op_type", ["Relu", "LeakyRelu", "Tanh"])
def test_fused_gemm(op_type, tmp_path):
    b = GraphBuilder()
    y = b.node("Gemm", b.input(3, 12), b.weights(12, 8), b.vector(8), alpha=0.5)
    model = optimized(b.model_with_output_shapes(b.node(op_type, y)), tmp_path / "o.onnx")
    assert op_types(model) == ["FusedGemm"]
    result, (report,) = rewrite(model)
    assert op_types(result) == ["SparseConv1x1", *(["Tanh"] * (op_type == "Tanh"))]
    assert report.kind == "FusedGemm"


def test_unknown_activation():
    b = GraphBuilder()
    graph = ir.from_proto(b.model_with_output_shapes(fused_conv(b, activation="Snake")))
    assert sparsify(graph, min_sparsity=0.5) == []
    (layer,) = find_other_layers(graph, min_sparsity=0.5)
    assert layer.reason == "its activation Snake is unknown"


def test_blocked_layout_has_the_hint_to_convert_the_original(tmp_path):
    b = GraphBuilder()
    y = b.node("Relu", b.conv(b.input(1, 16, 5, 5), 16, 16))
    model = optimized(b.model_with_output_shapes(y), tmp_path / "o.onnx", "ALL")
    if "ReorderInput" not in op_types(model):
        pytest.skip("this processor has no blocked layout")
    graph = ir.from_proto(model)
    assert sparsify(graph, min_sparsity=0.5) == []
    (layer,) = find_other_layers(graph, min_sparsity=0.5)
    assert layer.reason == (
        "ONNX Runtime has put it into its blocked layout (com.microsoft.nchwc); "
        "convert the original model"
    )


def test_attention_has_the_hint_to_convert_the_original():
    b = GraphBuilder()
    inputs = (b.input(1, 5, 12), b.weights(12, 36), b.vector(36))
    y = b.node("Attention", *inputs, domain=MICROSOFT, num_heads=3)
    graph = ir.from_proto(b.model_with_output_shapes(y))
    (layer,) = find_other_layers(graph, min_sparsity=0.5)
    assert layer.reason == "ONNX Runtime has fused it into Attention; convert the original model"


def test_silu_that_onnx_runtime_fused(tmp_path):
    b = GraphBuilder()
    x = b.conv(b.input(2, 12, 5, 5), 8, 12)
    y = b.node("Mul", x, b.node("Sigmoid", x))
    model = optimized(b.model_with_output_shapes(y), tmp_path / "o.onnx")
    assert op_types(model) == ["Conv", "QuickGelu"]
    (node,) = sparse_nodes(rewrite(model)[0])
    assert attributes(node)["activation"] == "silu"


@pytest.mark.parametrize("given", [{}, {"alpha": 1.5}])
def test_other_quick_gelu_stays(given):
    b = GraphBuilder()
    y = b.node("QuickGelu", b.conv(b.input(2, 12, 5, 5), 8, 12), domain=MICROSOFT, **given)
    graph = ir.from_proto(b.model_with_output_shapes(y))
    sparsify(graph, min_sparsity=0.5)
    assert [node.op_type for node in graph.graph] == ["SparseConv1x1", "QuickGelu"]


@pytest.mark.parametrize(
    ("op_type", "inputs", "given"),
    [
        ("FusedConv", 1, {}),
        ("FusedConv", 3, {"activation": 1}),
        ("FusedConv", 3, {"activation": "Relu", "activation_params": "x"}),
        ("FusedConv", 3, {"group": "x"}),
        ("FusedConv", 3, {"pads": 1.0}),
        ("FusedConv", 3, {"activation": "Clip", "activation_params": [2.0, -1.0]}),
        ("FusedGemm", 3, {"alpha": 1}),
        ("FusedMatMul", 1, {}),
        ("FusedMatMul", 2, {"transA": "x"}),
        ("FusedMatMul", 2, {"transBatchA": [1]}),
    ],
)
def test_damaged_nodes_are_no_layers(op_type, inputs, given):
    """onnx.checker does not look at operators of other domains."""
    b = GraphBuilder()
    kernel = [1, 1] if op_type == "FusedConv" else []
    operands = [b.input(1, 12, *kernel), b.weights(12, 12, *kernel), b.vector(12)]
    y = b.node(op_type, *operands[:inputs], domain=MICROSOFT, **given)
    graph = ir.from_proto(b.model(b.node("QuickGelu", y, domain=MICROSOFT, alpha="x")))
    assert sparsify(graph, min_sparsity=0.5) == []
    find_other_layers(graph, min_sparsity=0.5)


def test_attribute_that_belongs_to_another_operator():
    b = GraphBuilder()
    y = fused_conv(b, activation="LeakyRelu", activation_alpha=1)
    graph = ir.from_proto(b.model_with_output_shapes(y))
    sparsify(graph, min_sparsity=0.5)
    assert graph.graph[0].attributes.get_float("activation_alpha") == pytest.approx(0.01)


def test_clip_with_one_bound():
    b = GraphBuilder()
    y = fused_conv(b, activation="Clip", activation_params=[-1.0])
    graph = ir.from_proto(b.model_with_output_shapes(y))
    sparsify(graph, min_sparsity=0.5)
    (node,) = graph.graph
    assert node.attributes.get_float("activation_min") == -1
    assert "activation_max" not in node.attributes
