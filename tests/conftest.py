"""Fixtures that every room of the tests shares."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """Folder of the real TFLite files, which lies beside the project and is not part of it."""
    folder = PROJECT.parent / "shared" / "models"
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{folder} is absent; CI must have it")
        pytest.skip(f"{folder} is absent")
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the files that tests read; each lies beside the script that made it."""
    return PROJECT / "tests" / "data"


@pytest.fixture
def dense(tmp_path):
    """Path of an ONNX model: Conv of 10 % density, Relu, Conv without zeros."""
    rng = np.random.default_rng(0)
    sparse = rng.standard_normal((64, 64, 1, 1)) * (rng.random((64, 64, 1, 1)) < 0.1)
    full = rng.standard_normal((8, 64, 1, 1))
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "a"], ["h"], name="first"),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Conv", ["r", "b"], ["y"], name="second"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8, 28, 28])],
        [
            numpy_helper.from_array(sparse.astype(np.float32), "a"),
            numpy_helper.from_array(full.astype(np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "dense.onnx"
    onnx.save(model, path)
    return path
