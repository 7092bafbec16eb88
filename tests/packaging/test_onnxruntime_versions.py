"""The same binary on the oldest and the newest onnxruntime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from models import sparse_model
from oracle import random_op

import ort_sparse
from ort_sparse.op import Activation

PROGRAM = """
import sys, numpy as np, onnxruntime
folder, library = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.register_custom_ops_library(library)
session = onnxruntime.InferenceSession(
    folder + "/model.onnx", options, providers=["CPUExecutionProvider"])
feeds = dict(np.load(folder + "/feeds.npz"))
np.save(folder + "/y.npy", session.run(None, feeds)[0])
print(onnxruntime.__version__)
"""


@pytest.mark.parametrize(
    ("requirement", "prefix"),
    [("onnxruntime==1.17.3 numpy<2", "1.17.3"), ("onnxruntime", "1.")],
    ids=["1.17.3", "newest"],
)
def test_runs(requirement, prefix, tmp_path):
    rng = np.random.default_rng(0)
    op = random_op(rng, 64, 24, dtype=np.float16, activation=Activation("clip", 0, 6))
    model = sparse_model(op, ["n", 24, "h", "w"], residual=True)
    onnx.save(model, tmp_path / "model.onnx")
    feeds = {
        "X": rng.standard_normal((2, 24, 28, 28), np.float32),
        "R": rng.standard_normal((2, 64, 28, 28), np.float32),
    }
    np.savez(tmp_path / "feeds.npz", **feeds)
    python = _environment(tmp_path / "venv", requirement.split())
    printed = subprocess.run(
        [python, "-c", PROGRAM, tmp_path, ort_sparse.get_library_path()],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed.startswith(prefix)
    (expected,) = ort_sparse.session(model).run(None, feeds)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)


def _environment(folder: Path, requirements: list[str]) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
    return python
