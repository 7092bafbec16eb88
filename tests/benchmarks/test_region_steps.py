"""The benchmark that says where the time of whole networks goes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from ort_sparse.kernels import supported_isas

ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> str:
    command = ["benchmarks/region_steps.py", *map(str, arguments), "--runs", "5"]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(printed: str) -> list[list[str]]:
    """Return the cells of all lines of tables."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in printed.splitlines()
        if line.startswith("|") and "---" not in line
    ]


def test_shares_and_steps(dense):
    printed = run(dense, "--regions", "all", "--threads", 1, 2, "--layers")
    head, *networks = rows(printed)[:3]
    for threads, cells in zip(("1", "2"), networks, strict=True):
        row = dict(zip(head, cells, strict=True))
        assert (row["network"], row["threads"], row["regions"]) == (dense.stem, threads, "1")
        shares = [float(cell.removesuffix("%")) for cell in cells[4:]]
        assert sum(shares) == pytest.approx(100, abs=0.5)
        assert float(row["sparse"].removesuffix("%")) > 0
    version = onnxruntime.__version__
    assert f"{supported_isas()[0]}, onnxruntime {version}, medians of 5 runs" in printed
    steps = rows(printed)[3:]
    assert len(steps) == 2 * (1 + 2)  # for each number of threads a head and two layers
    assert all(float(row[-1]) > 0 for row in steps if row[0] != "step")


def test_losses(dense):
    head, row, step_head, *steps = rows(run(dense, "--regions", "all", "--threads", 1, "--losses"))[
        2:
    ]
    times = dict(zip(head[2:], map(float, row[2:]), strict=True))
    whole, least = times.pop("ms"), times.pop("at the peak")
    assert least + sum(times.values()) == pytest.approx(whole, abs=0.05)
    assert len(steps) == 2
    for step in steps:
        taken, least, lost = map(float, step[-3:])
        assert taken - least == pytest.approx(lost, abs=1.01)
    assert step_head[-1] == "lost"


def test_json(dense):
    (result,) = json.loads(run(dense, "--regions", "all", "--threads", 1, "--json"))
    assert 0 < sum(result["shares"].values()) <= 1
    (region,) = result["profile"]["regions"]
    assert region["plans"][0]["runs"] == 5


def test_a_network_without_regions(dense, tmp_path):
    """All of its time is ONNX Runtime's."""
    model = onnx.load(dense)
    for tensor in model.graph.initializer:  # without zeros, nothing is worth a region
        tensor.CopyFrom(numpy_helper.from_array(np.ones(tensor.dims, np.float32), tensor.name))
    path = tmp_path / "full.onnx"
    onnx.save(model, path)
    row = dict(zip(*rows(run(path, "--threads", 1)), strict=True))
    assert (row["regions"], row["outside"]) == ("0", "100.0%")
