"""The archive of the library: a CMake project finds it, builds and runs."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from models import sparse_model
from oracle import random_op

import ort_sparse

MACHINE = os.uname().machine


@pytest.fixture(scope="module")
def cmake(tmp_path_factory):
    """Run CMake of the release's tools; return what it did."""
    program = Path(__file__).parents[2] / "build" / "release-tools" / "bin" / "cmake"

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *map(str, arguments)], check=False, capture_output=True, text=True
        )

    return run


@pytest.fixture
def unpacked(libraries, tmp_path) -> dict[str, Path]:
    """Return the folder of each machine's library."""
    for path in libraries.values():
        with tarfile.open(path) as packed:
            packed.extractall(tmp_path, filter="data")
    return {
        machine: tmp_path / path.name.removesuffix(".tar.gz") for machine, path in libraries.items()
    }


def test_a_project_builds_and_runs(cmake, unpacked, runtime, tmp_path):
    found = unpacked[MACHINE]
    build = tmp_path / "build"
    source = found / "examples" / "c"
    for arguments in (
        ["-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={found};{runtime}"],
        ["--build", build],
    ):
        done = cmake(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    model = sparse_model(random_op(np.random.default_rng(0), 32, 24), [1, 24, 14, 14])
    onnx.save(model, tmp_path / "model.onnx")
    done = subprocess.run(
        [build / "run_model", tmp_path / "model.onnx"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    count = 24 * 14 * 14
    ramp = (2 * np.arange(count, dtype=np.float32) / np.float32(count) - 1).astype(np.float32)
    (expected,) = ort_sparse.session(model).run(None, {"X": ramp.reshape(1, 24, 14, 14)})
    np.testing.assert_array_equal(np.array(done.stdout.split(), np.float32), expected.ravel())


def test_cmake_refuses_the_library_of_another_machine(cmake, unpacked, runtime, tmp_path):
    (other,) = set(unpacked) - {MACHINE}
    found = unpacked[other]
    source = found / "examples" / "c"
    done = cmake("-S", source, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={found};{runtime}")
    assert done.returncode != 0
    said = " ".join(done.stderr.split())
    wanted = f"this libort_sparse is for Linux on {other}, but the target is Linux on {MACHINE}"
    assert wanted in said


@pytest.mark.parametrize(
    ("wanted", "is_found"),
    [("0.2", True), ("0.2.0 EXACT", True), ("0.1", False), ("0.2.9", False), ("0.3", False)],
)
def test_versions_that_fit(cmake, unpacked, wanted, is_found, tmp_path):
    if not ort_sparse.__version__.startswith("0.2."):
        pytest.fail("this table is for 0.2: write the next one")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.18)\nproject(fits LANGUAGES C)\n"
        f"find_package(ort_sparse {wanted} CONFIG REQUIRED)\n"
    )
    found = unpacked[MACHINE]
    done = cmake("-S", tmp_path, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={found}")
    assert (done.returncode == 0) == is_found, done.stderr
