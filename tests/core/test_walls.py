"""What must work without what: `make lint` holds who imports whom, this is what it is for."""

from __future__ import annotations

import subprocess
import sys

import onnx

from ort_sparse.op import OP_TYPE

UNBUILT = """
import sys
sys.modules["ort_sparse._native"] = None  # importing it fails, as where it was never built
from ort_sparse.cli import main
main()
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", UNBUILT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_conversion_needs_no_compiled_kernel(dense, tmp_path):
    out, back = tmp_path / "out.onnx", tmp_path / "back.onnx"
    done = run("convert", dense, "-o", out, "--layers", "all")
    assert done.returncode == 0, done.stderr
    assert any(node.op_type == OP_TYPE for node in onnx.load(out).graph.node)
    assert run("inspect", out).returncode == 0
    assert run("densify", out, "-o", back).returncode == 0
    assert run("zoo", "list").returncode == 0


def test_the_wall_of_that_test_is_real(dense):
    assert "_native" in run("bench", dense, "--runs", "1").stderr
