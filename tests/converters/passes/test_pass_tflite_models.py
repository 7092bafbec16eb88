"""What tf2onnx makes of the real models."""

from __future__ import annotations

import collections

import onnx
import onnx_ir as ir
import pytest
from pass_helpers import assert_same_results, densified, op_types

from ort_sparse.converters.passes import StoreFloat16Pass, sparsify, to_model_proto


@pytest.mark.parametrize(
    ("name", "min_sparsity", "fused"),
    [
        (
            "pose_detection",
            0.5,
            {"Conv+Clip": 15, "Conv+Add": 9, "Conv": 6, "Conv+Relu": 4, "Conv+Add+Relu": 4},
        ),
        ("face_detection_full_range_sparse", 0.5, {"Conv+Relu": 30, "Conv+Add+Relu": 16}),
        ("palm_detection_lite", 0.0, {"Conv+Add+PRelu": 23, "Conv": 4, "Conv+PRelu": 2}),
    ],
)
def test_real_models(shared_models, name, min_sparsity, fused):
    tflite = pytest.importorskip("ort_sparse.converters.tflite")
    data = (shared_models / f"{name}.tflite").read_bytes()
    dense = tflite.convert_tflite(data, name=name, opset=17)
    graph = ir.from_proto(dense)
    reports = sparsify(graph, min_sparsity=min_sparsity, layers="all")
    StoreFloat16Pass()(graph)
    model = to_model_proto(graph)
    onnx.checker.check_model(model, check_custom_domain=True, full_check=True)
    assert sum(report.replaced for report in reports) == sum(fused.values())
    assert op_types(model).count("SparseConv1x1") == sum(fused.values())
    origins = collections.Counter(p.value for n in model.graph.node for p in n.metadata_props)
    assert origins == fused
    assert model.ByteSize() <= 1.1 * len(data)
    assert_same_results(dense, densified(model))
