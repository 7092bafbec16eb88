"""Loading the library and OpenMP: what is needed for which, and what is said where it is absent."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

import ort_sparse
from ort_sparse import MissingDependencyError, runtime

USES_OF_THREADS = """
import re, sys
import numpy as np, onnxruntime
import ort_sparse
from models import sparse_model
from oracle import random_op, sparse_conv
from ort_sparse.kernels import Layer

def has_openmp():
    return "libgomp" in open("/proc/self/maps").read()

op = random_op(np.random.default_rng(0), 64, 24)
x = np.random.default_rng(1).standard_normal((1, 24, 56, 56), np.float32)
expected = sparse_conv(op, x)

def assert_right(y):
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4)

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
model = sparse_model(op, [1, 24, 56, 56])
"""

WITHOUT_OPENMP = (
    USES_OF_THREADS
    + """
for register in (
    lambda: ort_sparse.register(options, threading="openmp"),
    lambda: Layer(op)(x, parallel=True),
):
    try:
        register()
    except ort_sparse.MissingDependencyError as error:
        print(error)
    else:
        sys.exit("openmp must be refused")
ort_sparse.register(options)  # the same options go on with the session's threads
assert_right(ort_sparse.session(model, options).run(None, {"X": x})[0])
assert_right(Layer(op)(x))
"""
)


def run(code: str, **environment: str | os.PathLike[str]) -> subprocess.CompletedProcess[str]:
    tests = Path(__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.fspath(tests)} | environment,
    )


def test_the_threads_of_a_session_need_no_openmp():
    done = run(
        USES_OF_THREADS
        + "assert_right(ort_sparse.session(model, options).run(None, {'X': x})[0])\n"
        "assert_right(Layer(op)(x, parallel=False))\n"
        "assert not has_openmp()\n"
        "assert_right(Layer(op)(x, parallel=True))\n"
        "assert has_openmp()\n"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ("no library", "file too short|invalid ELF header"),
        ("another library", "undefined symbol: "),
    ],
)
def test_without_openmp(found, why, tmp_path):
    runtime_library = tmp_path / "libgomp.so.1"
    if found == "another library":
        shutil.copy(ort_sparse.get_library_path(), runtime_library)
    else:
        runtime_library.write_text("none")
    done = run(WITHOUT_OPENMP, LD_LIBRARY_PATH=tmp_path)
    assert done.returncode == 0, done.stderr
    by_session, by_call = done.stdout.splitlines()
    rule = r"openmp needs libgomp\.so\.1 of GCC 9 or later \(package libgomp1 or libgomp\), "
    assert re.search(rf"ort_sparse\.threading: {rule}.*({why})", by_session)
    assert re.search(rf"^parallel: {rule}.*({why})", by_call)


def of_another_machine(library: bytes) -> bytes:
    return library[:18] + b"\xf3\x00" + library[20:]  # RISC-V


def of_arm_or_x86(library: bytes) -> bytes:
    other = {b"\x3e": b"\xb7", b"\xb7": b"\x3e"}[library[18:19]]
    return library[:18] + other + library[19:]


def of_a_newer_system(library: bytes) -> bytes:
    return re.sub(rb"GLIBC_2\.", b"GLIBC_9.", library)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (of_another_machine, "is built for another machine, but this is Linux on "),
        (of_arm_or_x86, "is built for (aarch64|x86_64), but this is Linux on "),
        (
            of_a_newer_system,
            r"cannot be loaded: .*version `GLIBC_9\..* wheels of ort_sparse need Linux with glibc",
        ),
        (lambda library: b"<html>", "must be a shared library, but is not"),
    ],
)
def test_a_library_that_does_not_load_here(damage, message, tmp_path, monkeypatch):
    library = tmp_path / "libort_sparse.so"
    library.write_bytes(damage(Path(ort_sparse.get_library_path()).read_bytes()))
    monkeypatch.setattr(runtime, "get_library_path", lambda: os.fspath(library))
    with pytest.raises(MissingDependencyError, match=f"^{library}: {message}"):
        ort_sparse.register(onnxruntime.SessionOptions())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (of_arm_or_x86, "is built for (aarch64|x86_64), but this is Linux on "),
        (of_a_newer_system, "version `GLIBC_9"),
        (None, "install ort_sparse by pip"),
    ],
)
def test_a_native_module_that_does_not_load_here(damage, message, tmp_path):
    package = Path(ort_sparse.__file__).parent
    (module,) = package.glob("_native*.so")
    copy = tmp_path / "ort_sparse"
    ignored = shutil.ignore_patterns("_native*.so", "__pycache__")
    shutil.copytree(package, copy, ignore=ignored)
    if damage is not None:
        (copy / module.name).write_bytes(damage(module.read_bytes()))
    done = run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "sys.meta_path[:] = [it for it in sys.meta_path if 'Editable' not in repr(it)]\n"
        "import ort_sparse.kernels"
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(f"MissingDependencyError: .*{message}", last)
