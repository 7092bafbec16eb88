"""The benchmark of kernels takes every layer that conversion makes; no test looks at its times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).parents[2]


def test_layers_with_a_slope_for_each_channel(tmp_path):
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((32, 32, 1, 1)) * (rng.random((32, 32, 1, 1)) < 0.1)
    shape = [1, 32, 8, 8]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["h"], name="conv"),
            helper.make_node("PRelu", ["h", "slope"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(weights.astype(np.float32), "w"),
            numpy_helper.from_array(rng.random((32, 1, 1)).astype(np.float32), "slope"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx")
    command = [sys.executable, "benchmarks/kernels.py", tmp_path / "m.onnx", "--layers"]
    done = subprocess.run(
        [*command, "--runs", "1", "--processes", "1"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "32 x 32 at 64" in done.stdout
