"""The native kernels on ARM64: what they compute, and how many instructions they take."""

from __future__ import annotations

import subprocess
import sys

import pytest
from arm64_instructions import TARGET, compile_kernels, count_instructions
from arm64_toolchain import COMPILER, KERNELS, PROJECT, compile_flags, emulate

pytestmark = pytest.mark.arm64

ROOMS = ("base", "simd", "microkernels", "spmm", "dense", "chain")
PROGRAMS = PROJECT / "tests" / "kernels" / "c"


@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("test_*.c")))
def test_every_kernel_is_right(arm64_root, tmp_path, name):
    program = tmp_path / name
    tests = PROJECT / "tests"
    sources = [
        tests / "oracle.c",
        *(PROGRAMS / f"{part}.c" for part in ("problem", name)),
        *(source for room in ROOMS for source in sorted(KERNELS.glob(f"{room}/*.c"))),
    ]
    includes = [f"-I{KERNELS}", f"-I{tests}"]
    subprocess.run(
        [COMPILER, *compile_flags(), *includes, *sources, "-lm", "-o", program], check=True
    )
    done = emulate(arm64_root, program, "1")  # rounds; the oracle's float64 is slow in emulation
    assert done.returncode == 0, done.stderr
    assert "neon is right" in done.stdout
    assert "portable is right" in done.stdout


def test_regions_of_graphs_are_right(arm64_root, tmp_path):
    """The seeds of the fuzzer: graphs, half of them by NEON, against an oracle in C."""
    program, seeds = tmp_path / "replay_graphs", tmp_path / "seeds"
    make_seeds = [sys.executable, "-c", "import sys, pathlib, graph_seeds as g; "]
    make_seeds[-1] += "g.write_seeds(pathlib.Path(sys.argv[1]), count=160)"
    subprocess.run([*make_seeds, seeds], check=True, cwd=PROJECT / "fuzz")
    native = PROJECT / "tests" / "native"
    rooms = (*ROOMS, "op", "model", "region", "claim")
    sources = [
        *sorted(native.glob("graph_*.c")),
        *(native / f"{name}.c" for name in ("fake_failures", "fuzz_graph", "replay_graphs")),
        *(source for room in rooms for source in sorted(KERNELS.glob(f"{room}/*.c"))),
    ]
    wrapped = ("malloc", "calloc", "realloc", "aligned_alloc", "cache_l1_bytes", "cache_l2_bytes")
    wraps = [f"-Wl,--wrap={name}" for name in wrapped]
    includes = [f"-I{KERNELS}", f"-I{PROJECT / 'tests'}", f"-I{native}"]
    subprocess.run(
        [COMPILER, *compile_flags(), *includes, *sources, *wraps, "-lm", "-o", program], check=True
    )
    done = emulate(arm64_root, program, *sorted(seeds.iterdir()))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("replay_graphs: 160 graphs")
    assert not done.stdout.endswith(" 0 numbers were right\n")


@pytest.fixture(scope="module")
def loops(toolchain, tmp_path_factory):
    return count_instructions(compile_kernels(tmp_path_factory.mktemp("neon")))


def test_inner_loops_are_short(loops):
    ratios = {f"{loop.block_rows}x{loop.vectors}": loop.ratio for loop in loops}
    assert not {tile: ratio for tile, ratio in ratios.items() if ratio > TARGET}
