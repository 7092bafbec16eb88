"""Where distributions are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path) -> Path:
    """Python of a fresh virtual environment."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    return tmp_path / "venv" / "bin" / "python"


@pytest.fixture(scope="session")
def source_distribution(distributions) -> Path:
    (path,) = distributions.glob("*.tar.gz")
    return path
