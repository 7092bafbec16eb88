"""The native library under sanitizers, hosted by a stand-in for ONNX Runtime."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ort_sparse.regions import RegionCost, read_regions
from ort_sparse.regions_profile import read_profile

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


@pytest.mark.parametrize(
    ("program", "rounds"),
    [
        ("test_spmm", "2"),
        ("test_conv", "6"),
        ("test_chain", "10"),
        ("test_pool", "50"),
        ("test_elementwise", "2"),
        ("test_reduce", "2"),
        ("test_transpose", "2"),
    ],
)
def test_kernels(address_programs, program, rounds):
    assert "portable is right" in run(address_programs / program, rounds)


def test_report_of_regions(address_programs, tmp_path):
    path = tmp_path / "report"
    assert "2 reports written" in run(address_programs / "test_report", path)
    report = read_regions(path)
    assert (report.mode, report.runtime, report.isa) == ("auto", "1.31.1", "avx2")
    assert (report.claimed, report.claimed_nodes) == (2, 4)
    first, second = report.graphs
    assert (first.name, second.name) == ("first", "second")
    assert (first.nodes, first.regions) == (second.nodes, second.regions)
    assert [node.region for node in first.nodes] == [0, 0, None, 1, 1]
    every_byte = "".join(map(chr, range(1, 128))) + 128 * "\ufffd"
    assert first.nodes[0].inputs == (every_byte, "w")
    assert [node.outputs for node in first.nodes] == [
        ("a",),
        ('b "\\\n\t\x7f',),
        ("\u00e9 \u20ac \u2028 \U0001f600",),
        ("|".join("\ufffd" * n for n in (2, 3, 4, 2)), ""),
        ("y",),
    ]
    assert (first.nodes[2].domain, first.nodes[2].op) == ("far.away", "X")
    assert (first.nodes[2].reason, first.nodes[2].inputs[1]) == ("a reason", "")
    fast, slow, _ = first.regions
    assert (fast.claimed, slow.claimed, slow.reason) == (True, False, "slower")
    assert (fast.inputs, slow.inputs) == (
        (every_byte,),
        ("\u00e9 \u20ac \u2028 \U0001f600", every_byte),
    )
    assert (fast.outputs, slow.outputs) == (("a", 'b "\\\n\t\x7f'), ("y",))
    assert fast.cost == RegionCost(regions=12.346, dense=20.0, custom_ops=None)
    assert slow.cost == RegionCost(regions=None, dense=None, custom_ops=0.0)


def test_denied_allocations_and_calls(address_programs):
    assert "40 nodes survived" in run(address_programs / "test_denied", "40")


def test_denied_allocations_of_regions(address_programs):
    output = run(address_programs / "test_graphs", "30")
    assert "30 graphs" in output
    assert not output.endswith(" 0 numbers were right\n")


def test_denied_sessions_of_the_provider(address_programs, tmp_path):
    report, profile = tmp_path / "report.json", tmp_path / "profile.json"
    assert "sessions survived" in run(address_programs / "test_provider", report, profile)
    assert read_regions(report).claimed == 1
    (region,) = read_profile(profile).regions
    (plan,) = region.plans
    assert (region.name, plan.runs, len(plan.steps)) == ("fused", 1, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["profile.json", "report.json"]


def test_bad_nodes(address_programs):
    assert "refused" in run(address_programs / "test_bad_nodes")


def test_concurrent_runs_of_regions():
    output = run(*WITHOUT_ASLR, build("thread") / "test_graphs", "20", "3")
    assert "20 graphs" in output


def test_concurrent_runs():
    output = run(*WITHOUT_ASLR, build("thread") / "test_threads", "30")
    assert "6 threads, 30 rounds each" in output
