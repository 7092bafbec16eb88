"""Every benchmark says what it does and takes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = [
    ["benchmarks/deployment.py"],
    ["benchmarks/fit_cost_model.py"],
    ["benchmarks/kernels.py"],
    ["benchmarks/layers.py"],
    ["benchmarks/networks.py"],
    ["benchmarks/region_steps.py"],
    ["-m", "benchmarks.models_page"],
    ["-m", "benchmarks.peers"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[-1])
def test_help(command):
    done = subprocess.run(
        [sys.executable, *command, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--folder" in done.stdout
