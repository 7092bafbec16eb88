"""A small pruned network as PyTorch's two exporters write it (tests/data/export_pytorch.py)."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper, version_converter

from ort_sparse import convert, session, verify
from ort_sparse.conversion import convert_and_report, densify
from ort_sparse.op import OP_TYPE
from ort_sparse.options import ConvertOptions

FILES = ("pytorch_dynamo", "pytorch_torchscript")
SPARSE_LAYERS = 24


@pytest.fixture(params=FILES)
def path(request, data_folder):
    return data_folder / f"{request.param}.onnx"


def test_every_layer_becomes_sparse_and_computes_the_same(path):
    conversion = convert_and_report(path, ConvertOptions(layers="all"))
    assert (conversion.replaced, len(conversion.layers)) == (SPARSE_LAYERS, SPARSE_LAYERS)
    dense = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    sparse = session(conversion.model)
    for batch in (1, 5):
        images = np.random.default_rng(0).uniform(-1, 1, (batch, 3, 32, 32)).astype(np.float32)
        (expected,), (actual,) = (s.run(None, {"input": images}) for s in (dense, sparse))
        assert expected.std() > 1e-3
        np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6)


def test_activations_residuals_and_batch_norms_are_fused(path):
    model = convert(path, layers="all", verify=False)
    found = {
        entry.value.replace("BatchNormalization+", "")
        for node in model.graph.node
        for entry in node.metadata_props
        if node.op_type == OP_TYPE and entry.key == "ort_sparse.origin"
    }
    assert found >= {
        f"Conv+{what}"
        for what in ("Clip", "Sigmoid+Mul", "HardSwish", "LeakyRelu", "PRelu", "Add+Relu")
    }
    assert {"MatMul+Add", "MatMul+Add+Add", "Gemm+Sigmoid"} <= found


def test_converting_again_changes_nothing(path):
    once = convert(path, layers="all", verify=False).SerializeToString()
    for layers in ("all", "auto"):
        assert convert(once, layers=layers, verify=False).SerializeToString() == once


def test_densify_gives_standard_onnx_with_the_same_weights(path):
    model = convert(path, layers="all", verify=False)
    dense = densify(model)
    assert {opset.domain for opset in dense.opset_import} == {""}
    verify(path, dense)
    again = convert(dense, layers="all", verify=False)

    def values(converted):
        return sorted(
            numpy_helper.to_array(tensor).tobytes()
            for tensor in converted.graph.initializer
            if ".values" in tensor.name
        )

    assert values(again) == values(model)


@pytest.mark.parametrize("opset", range(20, 27))
def test_newer_opsets(path, opset):
    model = version_converter.convert_version(onnx.load(path), opset)
    assert model.opset_import[0].version == opset
    assert convert_and_report(model, ConvertOptions(layers="all")).replaced == SPARSE_LAYERS
