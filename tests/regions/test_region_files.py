"""The real files with regions, converted and not, and as applications load them."""

from __future__ import annotations

import onnxruntime
import pytest
from region_check import assert_same, sessions

import ort_sparse
from ort_sparse.conversion import convert_and_report
from ort_sparse.options import ConvertOptions
from ort_sparse.verification import inputs_of, random_inputs

FILES = ("pose_detection", "face_detection_full_range_sparse", "palm_detection_lite")


@pytest.fixture(scope="module", params=FILES)
def conversion(request, shared_models):
    options = ConvertOptions(layers="all", verify=False)
    return convert_and_report(shared_models / f"{request.param}.tflite", options)


@pytest.mark.parametrize("mode", ["auto", "all"])
@pytest.mark.parametrize("form", ["dense", "model"])
def test_numbers(conversion, form, mode):
    model = getattr(conversion, form)
    created = sessions(model, mode=mode)
    if mode == "all" or conversion.replaced:
        assert created.report.claimed > 0
    if mode == "all":
        nodes = sum(len(graph.nodes) for graph in created.report.graphs)
        assert created.report.claimed_nodes > nodes / 2
    for seed in range(2):
        assert assert_same(created, random_inputs(inputs_of(model), seed=seed))


def test_two_lines(conversion):
    """An application that knows nothing of regions has them."""
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(ort_sparse.get_library_path())
    session = onnxruntime.InferenceSession(conversion.model.SerializeToString(), options)
    assert session.get_providers()[0] == "OrtSparseExecutionProvider"
