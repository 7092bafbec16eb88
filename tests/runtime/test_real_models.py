"""The real TFLite files, the whole way."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import ort_sparse
from ort_sparse.conversion import convert_and_report
from ort_sparse.op import OP_TYPE
from ort_sparse.options import ConvertOptions
from ort_sparse.verification import inputs_of, random_inputs

TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def convert_once(shared_models):
    done = {}

    def convert(name):
        if name not in done:
            done[name] = convert_and_report(
                shared_models / f"{name}.tflite", ConvertOptions(layers="all")
            )
        return done[name]

    return convert


@pytest.mark.parametrize(
    ("name", "sparse_layers"),
    [("pose_detection", 38), ("face_detection_full_range_sparse", 46)],
)
def test_sparse_files(convert_once, shared_models, name, sparse_layers):
    conversion = convert_once(name)
    nodes = [node for node in conversion.model.graph.node if node.op_type == OP_TYPE]
    assert len(nodes) == conversion.replaced == sparse_layers
    assert conversion.comparison.error <= TOLERANCE
    size = (shared_models / f"{name}.tflite").stat().st_size
    assert conversion.model.ByteSize() <= 1.25 * size
    ort_sparse.register_schema()
    onnx.checker.check_model(conversion.model, full_check=True, check_custom_domain=True)


def test_dense_file(convert_once):
    conversion = convert_once("palm_detection_lite")
    assert conversion.replaced == 0
    assert conversion.comparison.error <= TOLERANCE


def test_unknown_operator(shared_models):
    with pytest.raises(ort_sparse.UnsupportedModelError, match="Convolution2DTransposeBias"):
        ort_sparse.convert(shared_models / "selfie_segmentation.tflite")


def test_nchw_input(shared_models):
    model = ort_sparse.convert(
        shared_models / "face_detection_full_range_sparse.tflite", inputs_as_nchw=True
    )
    assert [tensor.shape for tensor in inputs_of(model)] == [(1, 3, 192, 192)]


def test_converting_again_changes_nothing(convert_once):
    model = convert_once("face_detection_full_range_sparse").model
    again = convert_and_report(model, ConvertOptions(layers="all"))
    assert again.replaced == 0
    assert again.model is model


def test_two_models_on_two_threads(convert_once):
    from concurrent.futures import ThreadPoolExecutor

    sessions, feeds, expected = [], [], []
    for name in ("pose_detection", "face_detection_full_range_sparse"):
        model = convert_once(name).model
        sessions.append(ort_sparse.session(model))
        feeds.append(random_inputs(inputs_of(model)))
        expected.append(sessions[-1].run(None, feeds[-1]))

    def work(i):
        return [sessions[i].run(None, feeds[i]) for _ in range(10)]

    with ThreadPoolExecutor(2) as pool:
        for i, results in enumerate(pool.map(work, range(2))):
            for result in results:
                for actual, wanted in zip(result, expected[i], strict=True):
                    np.testing.assert_array_equal(actual, wanted)
