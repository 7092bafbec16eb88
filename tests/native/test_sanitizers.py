"""The native library under sanitizers, hosted by a stand-in for ONNX Runtime."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

# Thread sanitizer's shadow memory does not fit where the kernel places programs at random.
WITHOUT_ASLR = ["setarch", "--addr-no-randomize"]


def build(kind: str) -> Path:
    """Build the programs of one kind of sanitizer; return their folder."""
    if shutil.which("clang") is None:
        reason = "clang is not installed; tests/native/install.sh does it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    make = ["make", "-f", "tests/native/Makefile", f"KIND={kind}", f"PYTHON={sys.executable}"]
    subprocess.run([*make, f"-j{os.cpu_count()}"], cwd=PROJECT, check=True, capture_output=True)
    return PROJECT / "build" / kind


@pytest.fixture(scope="module")
def address_programs() -> Path:
    return build("address")


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("program", "rounds"), [("test_spmm", "2"), ("test_conv", "6")])
def test_kernels(address_programs, program, rounds):
    assert "portable is right" in run(address_programs / program, rounds)


def test_denied_allocations_and_calls(address_programs):
    assert "40 nodes survived" in run(address_programs / "test_denied", "40")


def test_bad_nodes(address_programs):
    assert "refused" in run(address_programs / "test_bad_nodes")


def test_concurrent_runs():
    output = run(*WITHOUT_ASLR, build("thread") / "test_threads", "30")
    assert "6 threads, 30 rounds each" in output
