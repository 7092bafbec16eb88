"""Running programs with the execution provider, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from c_host import find_c_compiler
from provider_cases import EVERYWHERE, WITH_PROVIDER, reference
from provider_models import CHANNELS

import ort_sparse

PROJECT = Path(__file__).parents[2]
CASES = Path(__file__).with_name("provider_cases.py")
HOST = Path(__file__).with_name("provider_host.c")
GROUPS = [*EVERYWHERE, *WITH_PROVIDER]
ORDERS = ("two-lines", "late", "explicit", "unregister")
"""What provider_host.c can do first."""


def environment(packages: Path | None) -> dict[str, str]:
    """Return the environment of a process, which finds these packages first."""
    names = {name: os.environ[name] for name in os.environ if not name.startswith("ORT_SPARSE_")}
    return names if packages is None else {**names, "PYTHONPATH": os.fspath(packages)}


def run_cases(group: str, packages: Path | None = None) -> None:
    """Run a group of cases, on the ONNX Runtime of this folder or the one that is installed."""
    done = subprocess.run(
        [sys.executable, CASES, group],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,  # a hang is what some of them are about
        env=environment(packages),
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]


def find_runtime(packages: Path | None = None) -> Path:
    """Return the library of ONNX Runtime."""
    folder = Path(onnxruntime.__file__).parent if packages is None else packages / "onnxruntime"
    (library,) = (folder / "capi").glob("libonnxruntime.so.*")
    return library


def build_host(folder: Path) -> Path:
    """Compile provider_host.c, which loads any ONNX Runtime, into this folder."""
    target = folder / "provider_host"
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{PROJECT / 'cython_kernels'}"]
    subprocess.run([find_c_compiler(), *flags, HOST, "-ldl", "-o", target], check=True)
    return target


def run_host(
    host: Path, order: str, runtime: Path, model: Path, report: Path
) -> subprocess.CompletedProcess[str]:
    library = ort_sparse.get_library_path()
    return subprocess.run(
        [host, order, runtime, library, model, report],
        check=False,
        capture_output=True,
        text=True,
        env=environment(None),
    )


def assert_prints_the_output(done: subprocess.CompletedProcess[str], model: bytes) -> None:
    """Check what the program printed, and that it logged nothing but what ONNX Runtime says of
    every provider that is appended without the CPU's."""
    assert done.returncode == 0, done.stderr
    count = CHANNELS * 14 * 14
    ramp = (2 * np.arange(count, dtype=np.float32) / np.float32(count) - 1).astype(np.float32)
    expected = reference(model, {"X": ramp.reshape(1, CHANNELS, 14, 14)}).ravel()
    y = np.array(done.stdout.split(), np.float32)
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
    logged = [line for line in done.stderr.splitlines() if "VerifyEachNodeIsAssigned" not in line]
    assert not logged
