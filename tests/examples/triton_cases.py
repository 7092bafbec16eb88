"""A model repository for Triton, as examples/ray writes it, read with Triton's schema.

Run by test_ray_example.py with the Python of the example's own environment. No server runs here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ray"
sys.path.insert(0, str(EXAMPLE))

import sample  # noqa: E402
import triton_repository  # noqa: E402

import ort_sparse  # noqa: E402

DEFAULTS = {"name": "mobile", "max_batch": 8, "instances": 2, "threads": 3, "root": "/models"}


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / "model.sparse.onnx"
    network = sample.network(size=32, width=0.25, classes=7)
    onnx.save(ort_sparse.convert(network, layers="all", verify=False), path)
    return path


def test_the_repository_is_complete(model, tmp_path):
    place = triton_repository.write_repository(model, tmp_path / "repository", **DEFAULTS)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files - {"model.sparse.onnx"} == {
        f"repository/mobile/{name}"
        for name in ("config.pbtxt", "1/model.onnx", triton_repository.LIBRARY)
    }
    text = (place / "config.pbtxt").read_text()
    found = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (found.name, found.backend, found.max_batch_size) == ("mobile", "onnxruntime", 8)
    (given,), (result,) = found.input, found.output
    assert (given.name, list(given.dims)) == ("image", [3, 32, 32])
    assert (result.name, list(result.dims)) == ("scores", [7])
    assert {given.data_type, result.data_type} == {model_config_pb2.TYPE_FP32}
    (group,) = found.instance_group
    assert (group.kind, group.count) == (model_config_pb2.ModelInstanceGroup.KIND_CPU, 2)
    assert found.parameters["intra_op_thread_count"].string_value == "3"
    (library,) = found.model_operations.op_library_filename
    assert library == "/models/mobile/libort_sparse.so"
    # What the backend does with them, in plain ONNX Runtime.
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(str(place / Path(library).name))
    onnxruntime.InferenceSession(place / "1" / "model.onnx", options)


def test_what_is_refused(model, tmp_path):
    triton_repository.write_repository(model, tmp_path, **DEFAULTS)
    with pytest.raises(FileExistsError, match="must not exist"):
        triton_repository.write_repository(model, tmp_path, **DEFAULTS)
    fixed = onnx.load(model)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(fixed, model)
    with pytest.raises(triton_repository.RepositoryError, match="dynamic first dimension"):
        triton_repository.write_repository(model, tmp_path, **(DEFAULTS | {"name": "other"}))
    assert not (tmp_path / "other").exists()
    assert not list(tmp_path.glob(".other*"))
