"""Counts the instructions of the NEON microkernels' inner loops against the least they need.

    python tests/arm64/arm64_instructions.py

prints the table. Without ARM hardware this is what can be said about speed: emulation shows
function only.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from arm64_toolchain import COMPILER, KERNELS, compile_flags, tool_output

TARGET = 1.25
"""Instructions of an inner loop, at most, as a multiple of the least that it needs."""

ROWS = 4
"""Rows that a step of the inner loop adds to."""

Instruction = tuple[int, str, str]
"""Address, mnemonic and operands."""


@dataclass(frozen=True)
class Loop:
    """The inner loop of one microkernel.

    Parameters
    ----------
    block_rows, vectors : int
        NR and MR of the row of the microkernel table.
    multiply_adds, vector_loads, others : int
        Instructions of one iteration: FMLA; loads of vectors; the rest.
    """

    block_rows: int
    vectors: int
    multiply_adds: int
    vector_loads: int
    others: int

    @property
    def steps(self) -> float:
        """Steps of ROWS nonzeros in one iteration."""
        return self.multiply_adds / (ROWS * self.vectors)

    @property
    def total(self) -> int:
        """Instructions of one iteration."""
        return self.multiply_adds + self.vector_loads + self.others

    @property
    def minimum(self) -> float:
        """Instructions that one iteration needs at the least.

        A step takes ROWS / NR channels of MR vectors each. LDP loads two vectors, LDR one. Each
        channel needs the load of its number and the multiply-add that makes it an address, since
        panels differ in width. Besides, a step loads its ROWS weights at once; FMLA takes them
        from their lanes. An iteration ends with a comparison and a branch; loads advance their
        own pointers.
        """
        pixel_loads = (self.vectors + 1) // 2
        per_step = ROWS // self.block_rows * (pixel_loads + 2) + 1
        return self.multiply_adds + self.steps * per_step + 2

    @property
    def ratio(self) -> float:
        """Instructions as a multiple of the minimum."""
        return self.total / self.minimum

    def per_nonzero(self, instructions: float) -> float:
        """Return the share of one nonzero and 16 pixels, which are four vectors."""
        return instructions / self.multiply_adds * 4


def compile_kernels(folder: Path) -> Path:
    """Return the object file of the NEON microkernels, compiled as for the library."""
    target = folder / "neon.o"
    source = KERNELS / "microkernels" / "neon.c"
    flags = [*compile_flags(), "-fPIC", f"-I{KERNELS}"]
    subprocess.run([COMPILER, *flags, "-c", source, "-o", target], check=True)
    return target


def count_instructions(objects: Path) -> list[Loop]:
    """Return the inner loop of every microkernel in an object file."""
    listing = tool_output("aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", objects)
    functions = re.split(r"^[0-9a-f]+ <(\w+)>:$", listing, flags=re.MULTILINE)[1:]
    loops = []
    for name, body in zip(functions[::2], functions[1::2], strict=True):
        tile = re.fullmatch(r"spmm_tile_neon_(\d+)x(\d+)", name)
        if tile:
            loop = _inner_loop(_instructions(body))
            loops.append(_count(int(tile[1]), int(tile[2]), loop))
    assert loops, f"{objects}: must define the NEON microkernels"
    return sorted(loops, key=lambda loop: (loop.block_rows, loop.vectors))


def _instructions(body: str) -> list[Instruction]:
    lines = re.findall(r"^ *([0-9a-f]+):\t(\S+)\t?(.*)$", body, flags=re.MULTILINE)
    return [(int(address, 16), mnemonic, operands) for address, mnemonic, operands in lines]


def _inner_loop(function: list[Instruction]) -> list[Instruction]:
    """Return the loop without a loop in it that has the most FMLA."""
    spans = []
    for address, mnemonic, operands in function:
        target = re.search(r"\b([0-9a-f]+) <", operands)
        if re.match(r"b$|b\.|cbn?z|tbn?z", mnemonic) and target:
            start = int(target[1], 16)
            if start <= address:
                spans.append((start, address))
    innermost = [
        (start, end)
        for start, end in spans
        if not any(start <= s and e <= end and (s, e) != (start, end) for s, e in spans)
    ]
    loops = [[i for i in function if start <= i[0] <= end] for start, end in innermost]
    return max(loops, key=_multiply_adds)


def _multiply_adds(loop: list[Instruction]) -> int:
    return sum(mnemonic == "fmla" for _, mnemonic, _ in loop)


def _count(block_rows: int, vectors: int, loop: list[Instruction]) -> Loop:
    multiply_adds = _multiply_adds(loop)
    loads = sum(
        mnemonic.startswith("ld") and re.match(r"q|\{", operands) is not None
        for _, mnemonic, operands in loop
    )
    return Loop(block_rows, vectors, multiply_adds, loads, len(loop) - multiply_adds - loads)


def main() -> None:
    """Print the table in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        loops = count_instructions(compile_kernels(Path(folder)))
    print(
        "| NR x MR | FMLA | vector loads | others | total | least "
        "| per nonzero and 16 pixels | least | ratio |"
    )
    print("|" + "---|" * 9)
    for loop in loops:
        print(
            f"| {loop.block_rows}x{loop.vectors} | {loop.multiply_adds} | {loop.vector_loads} "
            f"| {loop.others} | {loop.total} | {loop.minimum:g} "
            f"| {loop.per_nonzero(loop.total):.2f} | {loop.per_nonzero(loop.minimum):.2f} "
            f"| {loop.ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
