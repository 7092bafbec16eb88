"""Layers with many zeros that stay dense, and the reasons given."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from pass_helpers import GraphBuilder, only

from ort_sparse.converters.passes import OtherLayer, find_other_layers, sparsify


def find(b: GraphBuilder, *outputs: str, **options) -> list[OtherLayer]:
    graph = ir.from_proto(b.model(*outputs, **options))
    sparsify(graph, min_sparsity=0.5)
    return find_other_layers(graph, min_sparsity=0.5)


@pytest.mark.parametrize(
    ("op_type", "shape", "given", "reason"),
    [
        ("Conv", (8, 12, 3, 3), {}, "kernel 3x3, but only 1x1 has a sparse form"),
        ("Conv", (12, 1, 3, 5), {"group": 12}, "depthwise 3x5, but only 1x1 has a sparse form"),
        (
            "Conv",
            (8, 12, 1, 1),
            {"pads": [1, 1, 1, 1]},
            "is padded, has a computed bias, or too many channels",
        ),
        ("ConvTranspose", (12, 8, 2, 2), {}, "ConvTranspose has no sparse form"),
    ],
)
def test_convolutions(op_type, shape, given, reason):
    b = GraphBuilder()
    y = b.node(op_type, b.input(2, 12, 6, 6), b.weights(*shape), **given)
    layer = only(find(b, y))
    assert layer == OtherLayer(
        name="node0",
        kind=op_type,
        shape=shape,
        zeros=pytest.approx(0.8, abs=0.02),
        bytes=4 * int(np.prod(shape)),
        reason=reason,
    )


def test_other_types():
    b = GraphBuilder()
    x = b.input(2, 12, dtype=TensorProto.DOUBLE)
    y = b.node("MatMul", x, b.weights(12, 8, dtype=np.float64))
    assert only(find(b, y, dtype=TensorProto.DOUBLE)).reason == "its weights are float64"


def test_products_of_another_form():
    b = GraphBuilder()
    y = b.node("Gemm", b.input(12, 2), b.weights(12, 8), transA=1)
    z = b.node("MatMul", b.input(12), b.weights(12, 8))
    assert [layer.kind for layer in find(b, y, z)] == ["Gemm", "MatMul"]


def test_subgraphs():
    b = GraphBuilder()
    x, weights = b.input(1, 12, 4, 4), b.weights(8, 12, 1, 1)
    conv = helper.make_node("Conv", [x, weights], ["y"])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8, 4, 4))
    body = helper.make_graph([conv], "body", [], [output])
    layers = find(b, b.node("If", b.constant(True, bool), then_branch=body, else_branch=body))
    assert [layer.reason for layer in layers] == ["lies in a subgraph"] * 2


def test_layers_that_could_be_sparse_and_those_with_few_zeros_do_not_count():
    b = GraphBuilder()
    y = b.conv(b.input(1, 12, 4, 4), 8, 12)
    y = b.node("Conv", y, b.weights(8, 8, 1, 1, zeros=0.4))
    assert find(b, b.node("Conv", y, b.weights(8, 8, 3, 3, zeros=0.4))) == []
