"""An environment of its own for each example."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def environment(wheel, tmp_path) -> Callable[..., Path]:
    """Return a function that gives the folder of programs with an example's requirements.

    Packages that it is given are installed first, where this machine keeps files of them
    (``find-links`` of pip's configuration), without what they depend on: builds of PyTorch for CPUs
    are on no registry, and the one that is there brings gigabytes of CUDA.
    """

    def make(example: str, *, local: tuple[str, ...] = (), others: tuple[str, ...] = ()) -> Path:
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
        programs = tmp_path / "venv" / "bin"
        install = [programs / "python", "-m", "pip", "install", "--quiet", "--no-compile"]
        for package in local:
            subprocess.run(
                [*install, "--no-index", "--no-deps", package], check=False, capture_output=True
            )
        requirements = EXAMPLES / example / "requirements.txt"
        subprocess.run([*install, "-r", requirements, f"{wheel}[cpu]", *others], check=True)
        return programs

    return make


@pytest.fixture
def bare_environ() -> dict[str, str]:
    """Variables for programs of such an environment: none that lead to this one's packages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    kept.pop("VIRTUAL_ENV", None)
    return kept
