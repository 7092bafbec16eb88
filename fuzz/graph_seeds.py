"""Seeds of the fuzzer of graphs: inputs laid out as tests/native/graph_case.h says."""

from __future__ import annotations

import random
from pathlib import Path

MODE, NUMBERS, CHANGES, FAILING = 1, 10, 11, 12
HEADER_BYTES = 13
CHANGE_BYTES = 6


CONV = 0
LATEST = 0
WIDE = 244  # and above: a width from which on layers are computed depth first


def chain_seed(draw: random.Random) -> bytes:
    """Return layers between wide planes: pointwise and depthwise ones in turn, or a stem first."""
    rank, channels, rows = 1, draw.randrange(2, 6), 128 + draw.randrange(11)
    header = [draw.randrange(3), 0, rank, draw.randrange(1, 4), channels, rows, WIDE]
    header[-1] += draw.randrange(6)
    header += [0, 0, 0, draw.randrange(240), 0, 0]
    nodes: list[int] = []
    is_depthwise = draw.randrange(3) == 0
    for _ in range(draw.randrange(2, 8)):
        seeds = [draw.randrange(256), draw.randrange(256)]
        if is_depthwise:
            size = draw.choice([3, 5])
            stride = draw.choice([1, 1, 2])
            windows = [2 + 32, stride - 1, stride - 1, *(draw.randrange(size) for _ in range(4))]
            nodes += [CONV, LATEST, 8, 0, size - 1, size - 1, *seeds, *windows]
        else:
            nodes += [CONV, LATEST, 1 + 2 + 8, draw.randrange(6), draw.randrange(5), *seeds, 0]
        is_depthwise = not is_depthwise
    return bytes(header + nodes)


def write_seeds(folder: Path, count: int = 400, seed: int = 0) -> None:
    """Write valid graphs, chains, graphs with changes, and graphs with a failing allocation."""
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
        data = bytes(header) + nodes + changes
        (folder / f"{number:04}").write_bytes(chain_seed(draw) if number % 4 == 3 else data)


def write_dictionary(path: Path) -> None:
    """Write an empty dictionary: every byte chooses, none is a word."""
    path.write_text("")
