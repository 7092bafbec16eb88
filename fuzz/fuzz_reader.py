"""Atheris targets for what reads model files in Python; run.py starts it.

Anything but OrtSparseError that leaves the code under test is a finding, and so is an input that
takes longer or more memory than run.py allows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import atheris
import numpy as np

with atheris.instrument_imports(include=["ort_sparse"]):
    from ort_sparse.converters.tflite.densify import densify, prepare_for_tf2onnx
    from ort_sparse.converters.tflite.model import read_model
    from ort_sparse.converters.tflite.sparsity import decode_sparse
    from ort_sparse.errors import OrtSparseError

import contextlib

from tflite_builder import encode

NUMBERS = (-(2**31), -1, 0, 2**16, 2**30, 2**31 - 1)


def read_file(data: bytes) -> None:
    """Take a file as far as tf2onnx."""
    model = read_model(data)
    densify(model, len(data))
    prepare_for_tf2onnx(model)


def decode_tensor(data: bytes) -> None:
    """Encode a small tensor that the first bytes describe, change what the others say, decode."""
    provider = atheris.FuzzedDataProvider(data)
    rank = provider.ConsumeIntInRange(1, 3)
    shape = [provider.ConsumeIntInRange(1, 4) for _ in range(rank)]
    blocked = [axis for axis in range(rank) if shape[axis] % 2 == 0 and provider.ConsumeBool()]
    levels = rank + len(blocked)
    order = list(range(levels))
    for last in range(levels - 1, 0, -1):
        other = provider.ConsumeIntInRange(0, last)
        order[last], order[other] = order[other], order[last]
    sparse = [level for level in range(levels) if order[level] < rank and provider.ConsumeBool()]
    cells = [provider.ConsumeIntInRange(0, 1) for _ in range(int(np.prod(shape)))]
    values, sparsity = encode(
        np.array(cells, np.float32).reshape(shape),
        order=order,
        block_map=blocked,
        block_sizes=[2] * len(blocked),
        sparse_levels=sparse,
        segment_types=provider.PickValueInList(["int32", "uint16", "uint8"]),
        index_types=provider.PickValueInList(["int32", "uint16", "uint8"]),
    )
    while provider.remaining_bytes():
        change(provider, shape, sparsity)
    decode_sparse(values, tuple(shape), sparsity, name="weights", max_bytes=2**20)


def change(provider: Any, shape: list[int], sparsity: Any) -> None:
    """Change one number, or leave out one vector."""
    level = provider.PickValueInList(sparsity.dimMetadata)
    owners = [
        *((sparsity, name) for name in ("traversalOrder", "blockMap")),
        *((vector, "values") for vector in (level.arraySegments, level.arrayIndices) if vector),
    ]
    kind = provider.ConsumeIntInRange(0, 9)
    number = provider.PickValueInList([*NUMBERS, provider.ConsumeIntInRange(0, 8)])
    if kind == 0:
        shape[provider.ConsumeIntInRange(0, len(shape) - 1)] = number
    elif kind == 1:
        level.denseSize = number
    elif kind == 2:
        level.format = number
    elif kind == 3:
        setattr(level, provider.PickValueInList(["arraySegments", "arrayIndices"]), None)
    else:
        owner, name = provider.PickValueInList(owners)
        array = getattr(owner, name)
        if array is None or kind == 4:
            setattr(owner, name, None)
        elif kind == 5:
            setattr(owner, name, array[:-1])
        elif array.size:
            at = provider.ConsumeIntInRange(0, array.size - 1)
            array[at] = number % 2 ** (8 * array.itemsize - 1)


TARGETS = {"reader": read_file, "sparsity": decode_tensor}


def allow_own_errors(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return ``target`` with the errors that it raises on purpose taken off."""

    def run(data: bytes) -> None:
        with contextlib.suppress(OrtSparseError):
            target(data)

    return run


def main() -> None:
    """Usage: fuzz_reader.py TARGET [libFuzzer's arguments]."""
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, allow_own_errors(target))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
