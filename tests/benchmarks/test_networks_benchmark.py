"""The benchmark of whole networks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_model_that_cannot_be_measured_loses_no_other(dense, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    command = [sys.executable, "benchmarks/networks.py", dense, broken]
    done = subprocess.run(
        [*command, "--threads", "1", "--runs", "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "error: 1 of 2 models could not be measured" in done.stderr
    assert "broken.onnx" in done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith(f"| {dense.stem} |")]
