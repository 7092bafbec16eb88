"""Seeds and dictionary of the native fuzzer: inputs laid out as tests/native/node_case.h says."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

HEADER_BYTES = 24
SECOND_BATCH = HEADER_BYTES - 1
FAILING = (HEADER_BYTES - 3, HEADER_BYTES - 2)  # an allocation, a call of the runtime
CHANGES = 12

# What breaks a rule, or lies beside its limit.
NUMBERS = (
    *(-(2**63), -1, 0, 1, 2, 3, 64, 65, 255, 256, 65535, 65536),
    *(2**24, 2**24 + 1, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1),
)


def write_seeds(folder: Path, count: int = 300, seed: int = 0) -> None:
    """Write valid nodes, nodes with one change, and nodes with a failing call or allocation."""
    draw = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(_seeds(draw, count)):
        (folder / f"{number:04}").write_bytes(data)


def write_dictionary(path: Path) -> None:
    """Write the numbers of `NUMBERS` as libFuzzer's dictionary."""
    tokens = (struct.pack("<q", number) for number in NUMBERS)
    lines = ("".join(f"\\x{byte:02x}" for byte in token) for token in tokens)
    path.write_text("".join(f'"{line}"\n' for line in lines))


def _seeds(draw: random.Random, count: int) -> Iterator[bytes]:
    for number in range(count):
        header = bytearray(draw.randbytes(HEADER_BYTES))
        for place in (*FAILING, SECOND_BATCH):
            header[place] = 0
        if number % 3 == 1:
            header[draw.choice(FAILING)] = draw.randrange(1, 100)
        if number % 3 == 2:
            value = struct.pack("<q", draw.choice(NUMBERS))
            header += bytes([draw.randrange(CHANGES), draw.randrange(256)]) + value
        yield bytes(header)
