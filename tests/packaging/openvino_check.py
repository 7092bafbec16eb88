"""Convert a model and run it with OpenVINO's provider for all other operators; prints JSON.

A program of its own: test_runtimes.py runs it in an environment that has onnxruntime-openvino.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import ort_sparse

PROVIDERS = [
    ("OpenVINOExecutionProvider", {"device_type": "CPU", "precision": "FP32"}),
    "CPUExecutionProvider",
]


def dense_model():
    """Return a 3x3 convolution without zeros and a 1x1 convolution of 90 % zeros."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal((64, 8, 3, 3), np.float32)
    second = rng.standard_normal((64, 64, 1, 1), np.float32)
    second[rng.random(second.shape) < 0.9] = 0
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["X", "W0"], ["A"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["A"], ["B"]),
            helper.make_node("Conv", ["B", "W1"], ["Y"]),
        ],
        "graph",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [1, 8, 16, 16])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [1, 64, 16, 16])],
        [numpy_helper.from_array(first, "W0"), numpy_helper.from_array(second, "W1")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main() -> None:
    dense = dense_model()
    sparse = ort_sparse.convert(dense, layers="all")
    x = np.random.default_rng(1).standard_normal((1, 8, 16, 16), np.float32)
    reference = onnxruntime.InferenceSession(
        dense.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (expected,) = reference.run(None, {"X": x})
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    session = ort_sparse.session(sparse, options, providers=PROVIDERS)
    (y,) = session.run(None, {"X": x})
    ran = defaultdict(list)
    for event in json.loads(Path(session.end_profiling()).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            ran[event["args"]["provider"]].append(event["args"]["op_name"])
    print(
        json.dumps(
            {
                "available": onnxruntime.get_available_providers(),
                "ran": ran,
                "error": float(np.abs(y - expected).max() / np.abs(expected).max()),
            }
        )
    )


if __name__ == "__main__":
    main()
