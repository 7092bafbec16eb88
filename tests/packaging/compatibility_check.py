"""Convert, check and run a model with whatever is installed; prints what was found as JSON.

A program of its own: test_compatibility.py and tests/release run it in environments of many
versions. With --in-process it starts no other program, which an emulator cannot do.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from models import sparse_model
from onnx import TensorProto, helper, numpy_helper
from oracle import random_op, sparse_conv

import ort_sparse
from ort_sparse import _native
from ort_sparse.kernels import Layer, microkernels, supported_isas
from ort_sparse.op import Activation
from ort_sparse.runtime import why_no_regions

CPU = "CPUExecutionProvider"
PROVIDER = "OrtSparseExecutionProvider"
PACKAGES = ("ort-sparse", "onnxruntime", "numpy", "onnx", "onnx-ir", "protobuf", "rich", "typer")


def check_operator() -> None:
    """Run nodes with and without each of the optional inputs, float16 and dynamic."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 24, 28, 28), np.float32)
    residual = rng.standard_normal((2, 64, 28, 28), np.float32)
    for name, bias, added in itertools.product(("clip", "prelu"), (False, True), (None, residual)):
        activation = Activation(name, 0, 6)
        op = random_op(rng, 64, 24, dtype=np.float16, activation=activation, bias=bias)
        model = sparse_model(op, ["n", 24, "h", "w"], residual=added is not None)
        feeds = {"X": x} if added is None else {"X": x, "R": added}
        expected = sparse_conv(op, x, added)
        for threading in threadings():
            (y,) = ort_sparse.session(model, threading=threading).run(None, feeds)
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4)
        np.testing.assert_allclose(Layer(op)(x, added), expected, rtol=0, atol=1e-4)


def threadings() -> list[str]:
    """Return the ways of threading; where there is no OpenMP, it must be refused."""
    if _native.openmp_problem() is None:
        return ["session", "openmp"]
    said = ""
    try:
        ort_sparse.register(onnxruntime.SessionOptions(), threading="openmp")
    except ort_sparse.MissingDependencyError as error:
        said = str(error)
    assert "libgomp.so.1" in said
    return ["session"]


def check_conversion(folder: Path) -> dict[str, list[str]]:
    """Convert a dense model, and compare both with dense ONNX Runtime, with and without regions.

    Return the providers that ran the model, for each setting of regions.
    """
    dense = _dense_model()
    sparse = ort_sparse.convert(dense, layers="all")
    onnx.checker.check_model(sparse, check_custom_domain=True)
    assert [node.op_type for node in sparse.graph.node].count("SparseConv1x1") == 2
    x = np.random.default_rng(2).standard_normal((3, 64, 9, 9), np.float32)
    reference = onnxruntime.InferenceSession(dense.SerializeToString(), providers=[CPU])
    (expected,) = reference.run(None, {"X": x})
    ran = {}
    for regions in ("all", "off"):
        wanted = [PROVIDER] if regions == "all" and why_no_regions() is None else [CPU]
        for name, model in (("dense", dense), ("sparse", sparse)):
            y, providers = _run_with_profile(model, regions, x, folder / f"{name}-{regions}")
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4)
            assert providers == wanted, f"{regions}: {providers} ran, not {wanted}"
        ran[regions] = providers
    onnx.save(dense, folder / "dense.onnx")
    return ran


def _run_with_profile(
    model: onnx.ModelProto, regions: str, x: np.ndarray, prefix: Path
) -> tuple[np.ndarray, list[str]]:
    """Return what the model computes, and the providers of the nodes that ran."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(prefix)
    session = ort_sparse.session(model, options, regions=regions)
    (y,) = session.run(None, {"X": x})
    events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [event for event in events if event["name"].endswith("_kernel_time")]
    return y, sorted({event["args"]["provider"] for event in nodes})


def check_commands(folder: Path) -> None:
    for command in (
        ["convert", "dense.onnx", "-o", "sparse.onnx", "--layers", "all"],
        ["verify", "dense.onnx", "sparse.onnx"],
        ["inspect", "sparse.onnx"],
    ):
        program = Path(sys.executable).with_name("ort-sparse")
        subprocess.run([program, *command], check=True, capture_output=True, text=True, cwd=folder)


def _dense_model() -> onnx.ModelProto:
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((2, 64, 64, 1, 1), np.float32) / 4
    weights[rng.random(weights.shape) < 0.8] = 0
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["X", "W0"], ["A"], name="first"),
            helper.make_node("Relu", ["A"], ["B"], name="relu"),
            helper.make_node("Conv", ["B", "W1"], ["C"], name="second"),
            helper.make_node("Add", ["C", "X"], ["Y"], name="add"),
        ],
        "graph",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", 64, 9, 9])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["n", 64, 9, 9])],
        [numpy_helper.from_array(weights[i], f"W{i}") for i in range(2)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main() -> None:
    check_operator()
    with tempfile.TemporaryDirectory() as folder:
        ran = check_conversion(Path(folder))
        if "--in-process" not in sys.argv:
            check_commands(Path(folder))
    found = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "isas": supported_isas(),
        "microkernels": len(microkernels()),
        "regions": ran,
    }
    print(json.dumps(found | {name: importlib.metadata.version(name) for name in PACKAGES}))


if __name__ == "__main__":
    main()
