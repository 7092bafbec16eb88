"""What a call from Python into the native module costs, for two builds of it side by side.

This decided that wheels use Python's limited API, by which one build serves every Python. To have
both, the first for one Python:

    export ORT_SPARSE_LIMITED_API=0
    python setup.py build_ext --build-lib build/calls/1 --build-temp build/calls/1
    export ORT_SPARSE_LIMITED_API=1
    python setup.py build_ext --build-lib build/calls/2 --build-temp build/calls/2
    python benchmarks/calls.py build/calls/*/ort_sparse/_native.*.so
"""

from __future__ import annotations

import argparse
import importlib.util
import timeit
from pathlib import Path
from types import ModuleType

import markdown
import numpy as np

from ort_sparse import BlockCSR, kernels
from ort_sparse.op import SparseConv1x1

LAYERS = [(16, 16, 1), (64, 64, 49), (512, 512, 196)]  # output channels, input channels, pixels
ROUNDS = 3000
SECONDS = 100e-6  # of a sample: so short that many meet a quiet machine


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs=2, type=Path, help="two builds of _native")
    modules = [load(path) for path in parser.parse_args().modules]
    headings = ["layer", *(Path(module.__file__ or "").name for module in modules), "ratio"]
    print(markdown.table(headings, [row(modules, *layer) for layer in LAYERS]))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("ort_sparse._native", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(modules: list[ModuleType], rows: int, columns: int, pixels: int) -> list[object]:
    """Time the public call; the fastest of many short samples counts."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((rows, columns), np.float32)
    weights[rng.random(weights.shape) < 0.9] = 0
    op = SparseConv1x1(BlockCSR.from_dense(weights))
    x = rng.standard_normal((1, columns, pixels), np.float32)
    calls = [timer(module, op, x) for module in modules]
    count = max(1, int(SECONDS / min(calls[0].repeat(20, 1))))
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for call, found in zip(calls, times, strict=True):
            found.append(call.timeit(count) / count * 1e6)
    first, second = (min(found) for found in times)
    name = f"{rows} x {columns}, pixels: {pixels}"
    return [name, f"{first:.2f} us", f"{second:.2f} us", f"{second / first:.3f}"]


def timer(module: ModuleType, op: SparseConv1x1, x: np.ndarray) -> timeit.Timer:
    kernels._native = module
    layer = kernels.Layer(op)
    return timeit.Timer(lambda: layer(x, parallel=False))


if __name__ == "__main__":
    main()
