"""The library in a process without Python, against the libonnxruntime of the installed wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from c_host import build_c_host
from models import sparse_model
from oracle import random_op

import ort_sparse
from ort_sparse.op import Activation

EXAMPLE = Path(__file__).parents[2] / "examples" / "c"


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    return build_c_host(tmp_path_factory.mktemp("c"))


def test_runs_a_model(program, tmp_path):
    op = random_op(np.random.default_rng(0), 32, 24, activation=Activation("silu"))
    model = sparse_model(op, ["n", 24, 14, 14])
    onnx.save(model, tmp_path / "model.onnx")
    printed = subprocess.run(
        [program, tmp_path / "model.onnx", ort_sparse.get_library_path()],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    count = 24 * 14 * 14
    ramp = (2 * np.arange(count, dtype=np.float32) / np.float32(count) - 1).astype(np.float32)
    (expected,) = ort_sparse.session(model).run(None, {"X": ramp.reshape(1, 24, 14, 14)})
    np.testing.assert_array_equal(np.array(printed.split(), np.float32), expected.ravel())


def test_reports_a_bad_model(program, tmp_path):
    model = sparse_model(random_op(np.random.default_rng(0)), [1, 24, 4])
    del model.graph.node[0].attribute[:]
    onnx.save(model, tmp_path / "model.onnx")
    done = subprocess.run(
        [program, tmp_path / "model.onnx", ort_sparse.get_library_path()],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "node 'layer': in_channels: must lie in" in done.stderr


def test_commands_of_the_page(tmp_path):
    """Those for the library in the Python package; the others need a release for C."""
    folder = tmp_path / "examples" / "c"
    shutil.copytree(EXAMPLE, folder)
    shutil.copytree(EXAMPLE.parents[1] / "cython_kernels", tmp_path / "cython_kernels")
    onnx.save(sparse_model(random_op(np.random.default_rng(0)), [1, 24, 4]), folder / "model.onnx")
    blocks = re.findall(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    (commands,) = (block for block in blocks if "onnxruntime.__path__" in block)
    python = os.path.dirname(sys.executable)
    printed = subprocess.run(
        ["sh", "-euc", commands],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PATH": f"{python}:{os.environ['PATH']}"},
    ).stdout
    assert len(printed.split()) == 16 * 4


def dynamic_symbols(*options: str) -> list[str]:
    listing = subprocess.run(
        ["nm", "-D", *options, ort_sparse.get_library_path()],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [line.split()[-1] for line in listing.splitlines()]


def test_exports_only_its_entry_points():
    assert sorted(dynamic_symbols("--defined-only")) == [
        "CreateEpFactories",
        "RegisterCustomOps",
        "ReleaseEpFactory",
    ]


def test_needs_no_python():
    wanted = dynamic_symbols("--undefined-only")
    assert wanted
    assert not [name for name in wanted if re.match("_?Py", name)]
