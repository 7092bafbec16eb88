"""The ARM64 wheel in ARM64 builds of Python, NumPy, onnx and onnxruntime, by an emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.complete

TESTS = Path(__file__).parents[1]
CHECK = TESTS / "packaging" / "compatibility_check.py"
GLIBCS = range(17, 37)  # Debian 12 has 2.36

CPUINFO = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Root folder of Debian's Python for ARM64; there is no libgomp."""
    folder = tmp_path_factory.mktemp("arm64")
    subprocess.run([Path(__file__).with_name("arm64_python.sh"), folder], check=True)
    assert not list(folder.rglob("libgomp*"))
    (folder / "proc").mkdir(exist_ok=True)
    (folder / "proc" / "cpuinfo").write_text(CPUINFO)
    return folder


@pytest.mark.parametrize("runtime", [["onnxruntime==1.17.*", "numpy==1.26.*"], ["onnxruntime"]])
def test_converts_runs_and_compares(root, runtime, wheels, tmp_path):
    (interpreter,) = (root / "usr" / "bin").glob("python3.[0-9]*")
    python = interpreter.name.removeprefix("python")
    site = tmp_path / "site"
    platforms = [f"--platform=manylinux_2_{glibc}_aarch64" for glibc in GLIBCS]
    install = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", site),
        *("--only-binary=:all:", "--implementation=cp", "--python-version", python),
        *platforms,
        "--platform=manylinux2014_aarch64",
    ]
    subprocess.run([*install, wheels["aarch64"], *runtime], check=True)
    settings = {"PYTHONPATH": f"{site}:{TESTS}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [
            *("qemu-aarch64", "-L", root),
            *(part for name, value in settings.items() for part in ("-E", f"{name}={value}")),
            *(interpreter, CHECK, "--in-process"),
        ],
        check=False,
        capture_output=True,
        text=True,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    print(done.stdout)  # shown by -rA
    found = json.loads(done.stdout)
    assert found["machine"] == "aarch64"
    assert found["isas"] == ["neon", "portable"]
