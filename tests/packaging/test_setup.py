"""What setup.py says on a machine that it does not build for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "setup.py"


@pytest.mark.parametrize(
    ("system", "machine"), [("Darwin", "arm64"), ("Windows", "AMD64"), ("Linux", "ppc64le")]
)
def test_refuses_other_platforms(system, machine):
    pretend = (
        "import platform, runpy, sys, Cython.Build, setuptools.command.build_ext\n"
        f"sys.platform = {system.lower()!r}\n"
        f"platform.system, platform.machine = (lambda: {system!r}), (lambda: {machine!r})\n"
        f"runpy.run_path({str(SETUP)!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", pretend],
        check=False,
        capture_output=True,
        text=True,
        cwd=SETUP.parent,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"ort_sparse runs on Linux on x86_64 and aarch64, but this is {system} on {machine}\n"
    )
