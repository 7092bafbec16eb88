"""The library under valgrind, in a C program: no leak, no stray access.

Valgrind knows no AVX-512, so the AVX2 kernels run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from c_host import build_c_host
from models import sparse_model
from onnx import numpy_helper
from oracle import random_op

import ort_sparse
from ort_sparse.op import ACTIVATIONS, Activation

FOUND_AN_ERROR = 99
OPTIONS = (
    "--quiet",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,possible",
    "--show-leak-kinds=definite,possible",
    "--num-callers=40",
    f"--error-exitcode={FOUND_AN_ERROR}",
    f"--suppressions={Path(__file__).with_name('onnxruntime.supp')}",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    if shutil.which("valgrind") is None:
        reason = "valgrind is not installed; tests/valgrind/install.sh does it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return build_c_host(tmp_path_factory.mktemp("c"))


def run_under_valgrind(program: Path, model: onnx.ModelProto, folder: Path):
    onnx.save(model, folder / "model.onnx")
    done = subprocess.run(
        ["valgrind", *OPTIONS, program, folder / "model.onnx", ort_sparse.get_library_path()],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != FOUND_AN_ERROR, done.stderr[-8000:]
    return done


def chain_of_layers() -> onnx.ModelProto:
    """Return a model of a layer for each activation and stored type, large enough for threads."""
    rng = np.random.default_rng(0)
    result = None
    for i, name in enumerate(ACTIVATIONS):
        dtype = np.float16 if i % 2 else np.float32
        op = random_op(rng, 64, 64, block_rows=1 + i % 2, dtype=dtype, activation=Activation(name))
        model = onnx.compose.add_prefix(sparse_model(op, [1, 64, 28, 29]), f"{name}_")
        if result is None:
            result = model
        else:
            result = onnx.compose.merge_models(
                result, model, io_map=[(result.graph.output[0].name, f"{name}_X")]
            )
    assert result is not None
    return result


def test_a_session_leaves_nothing(program, tmp_path):
    done = run_under_valgrind(program, chain_of_layers(), tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 64 * 28 * 29


def test_a_refused_model_leaves_nothing(program, tmp_path):
    model = chain_of_layers()
    indices = next(t for t in model.graph.initializer if t.name == "prelu_indices")
    array = numpy_helper.to_array(indices).copy()
    array[-1] = 64
    indices.CopyFrom(numpy_helper.from_array(array, indices.name))
    done = run_under_valgrind(program, model, tmp_path)
    assert done.returncode == 1
    assert "indices: must lie in 0..63" in done.stderr
