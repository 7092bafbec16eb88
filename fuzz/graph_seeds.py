"""Seeds of the fuzzer of graphs: inputs laid out as tests/native/graph_case.h says."""

from __future__ import annotations

import random
from pathlib import Path

MODE, NUMBERS, CHANGES, FAILING = 1, 10, 11, 12
HEADER_BYTES = 13
CHANGE_BYTES = 6


def write_seeds(folder: Path, count: int = 400, seed: int = 0) -> None:
    """Write valid graphs, graphs with changes, and graphs with a failing allocation."""
    draw = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        header = bytearray(draw.randbytes(HEADER_BYTES))
        header[CHANGES] = number % 4 if number % 3 == 1 else 0
        header[FAILING] = draw.randrange(1, 200) if number % 3 == 2 else 0
        if number % 2 == 0:
            header[MODE] = header[NUMBERS] = number % 200
        nodes = draw.randbytes(draw.randrange(4, 100))
        changes = draw.randbytes(header[CHANGES] % 4 * CHANGE_BYTES)
        (folder / f"{number:04}").write_bytes(bytes(header) + nodes + changes)


def write_dictionary(path: Path) -> None:
    """Write an empty dictionary: every byte chooses, none is a word."""
    path.write_text("")
