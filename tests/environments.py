"""Pythons of this machine, and virtual environments with chosen packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

OLDEST_OF_PYTHON = {  # the oldest onnxruntime that has a wheel, and a NumPy that it knows
    "3.11": ("1.17", "1.26"),
    "3.12": ("1.17", "1.26"),
    "3.13": ("1.20", "2.1"),
    "3.14": ("1.24", "2.3"),
}


def this_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def find_python(version: str) -> str:
    if version == this_python():
        return sys.executable
    path = shutil.which(f"python{version}")
    # pyenv puts programs on PATH that only say that this version is not the chosen one.
    if path is None or subprocess.run([path, "-V"], check=False, capture_output=True).returncode:
        pytest.skip(f"python{version} is not on PATH")
    return path


def oldest_runtime(version: str) -> list[str]:
    """Return requirements of the oldest onnxruntime for a version of Python."""
    runtime, numpy = OLDEST_OF_PYTHON[version]
    return [f"onnxruntime=={runtime}.*", f"numpy=={numpy}.*"]


def make_environment(
    python: str,
    folder: Path,
    requirements: list[str],
    environment: dict[str, str] | None = None,
) -> Path:
    """Make a virtual environment with these packages; return its Python."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    inside = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", os.fspath(inside)]
    install = [*pip, "install", "--quiet", "--no-compile", *requirements]
    subprocess.run(install, check=True, env=environment)
    return inside
