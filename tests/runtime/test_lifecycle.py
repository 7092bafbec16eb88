"""What a process may do to the library in its life, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from lifecycle_cases import CASES


@pytest.mark.parametrize("case", CASES)
def test_survives(case):
    program = Path(__file__).with_name("lifecycle_cases.py")
    done = subprocess.run(
        [sys.executable, program, case],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,  # a hang is what some of them are about
    )
    assert done.returncode == 0, done.stderr[-4000:]
