"""The native kernels on ARM64: what they compute, and how many instructions they take."""

from __future__ import annotations

import subprocess

import pytest
from arm64_instructions import TARGET, compile_kernels, count_instructions
from arm64_toolchain import COMPILER, KERNELS, PROJECT, compile_flags, emulate

pytestmark = pytest.mark.arm64

PROGRAMS = PROJECT / "tests" / "kernels" / "c"


@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("test_*.c")))
def test_every_kernel_is_right(arm64_root, tmp_path, name):
    program = tmp_path / name
    tests = PROJECT / "tests"
    rooms = ("base", "simd", "microkernels", "spmm", "dense", "chain")
    sources = [
        tests / "oracle.c",
        *(PROGRAMS / f"{part}.c" for part in ("problem", name)),
        *(source for room in rooms for source in sorted(KERNELS.glob(f"{room}/*.c"))),
    ]
    includes = [f"-I{KERNELS}", f"-I{tests}"]
    subprocess.run(
        [COMPILER, *compile_flags(), *includes, *sources, "-lm", "-o", program], check=True
    )
    done = emulate(arm64_root, program, "1")  # rounds; the oracle's float64 is slow in emulation
    assert done.returncode == 0, done.stderr
    assert "neon is right" in done.stdout
    assert "portable is right" in done.stdout


@pytest.fixture(scope="module")
def loops(toolchain, tmp_path_factory):
    return count_instructions(compile_kernels(tmp_path_factory.mktemp("neon")))


def test_inner_loops_are_short(loops):
    ratios = {f"{loop.block_rows}x{loop.vectors}": loop.ratio for loop in loops}
    assert not {tile: ratio for tile, ratio in ratios.items() if ratio > TARGET}
