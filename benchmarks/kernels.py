"""The kernels alone, without ONNX Runtime: all 1x1 layers of some networks, warm.

Layers run one after the other, each into the array that the one before read, so that the caches
hold what a network would leave in them at best. The time of a network is the sum of each layer's
fastest run; shown is the median of several processes, because addresses differ between them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import markdown
import models
import numpy as np
import onnx
from numpy.typing import NDArray

from ort_sparse.conversion import convert_and_report
from ort_sparse.kernels import Layer, fma_peak, supported_isas
from ort_sparse.op import Activation, SparseConv1x1, read_layers
from ort_sparse.options import ConvertOptions

HEADINGS = ["layers", "isa", "threads", "ms", "GFLOP/s", "FMA peak", "of peak"]
HEADINGS += ["packed / block-CSR"]
NETWORKS = ["mbv1_100_90_12b4_684", "mbv2_140_85_11-16b2_720", "enb0_80_none_751"]


@dataclass(frozen=True)
class Work:
    """A layer and its output plane."""

    op: SparseConv1x1
    pixels: int

    @property
    def operations(self) -> float:
        """Floating-point operations on stored values."""
        return 2.0 * self.op.weights.values.size * self.pixels


@dataclass(frozen=True)
class Timing:
    """What one process measured: each layer's fastest run in seconds, and the peak in GFLOP/s."""

    seconds: list[float]
    packed_bytes: list[int]
    peak: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    models.add_arguments(parser, NETWORKS)
    isas = [isa for isa in ("avx512", "avx2", "neon") if isa in supported_isas()]
    parser.add_argument("--isas", nargs="+", default=isas, choices=supported_isas())
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="of OpenMP")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--runs", type=int, default=200, help="in each process (%(default)s)")
    parser.add_argument("--clamp", action="store_true", help="a clamp in place of SiLU")
    parser.add_argument("--layers", action="store_true", help="show each layer")
    arguments = parser.parse_args()
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for model in arguments.models:
            path = models.find(model, arguments.folder)
            models.report(f"{path.stem}: converting")
            converted = Path(folder, f"{path.stem}.onnx")
            onnx.save(
                convert_and_report(path, ConvertOptions(layers="all", verify=False)).model,
                converted,
            )
            for isa in arguments.isas:
                for threads in arguments.threads:
                    rows += measure_rows(converted, isa, threads, arguments)
    print(markdown.table(HEADINGS, rows))


def read_work(model: onnx.ModelProto) -> list[Work]:
    """Return the sparse layers of more than one pixel, in order."""
    shapes = {
        info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        for info in [*model.graph.value_info, *model.graph.input, *model.graph.output]
    }
    ops = read_layers(model)
    nodes = [node for node in model.graph.node if node.name in ops]
    works = [Work(ops[node.name], int(np.prod(shapes[node.output[0]][2:]))) for node in nodes]
    return [work for work in works if work.pixels > 1]


def _clamped(op: SparseConv1x1) -> SparseConv1x1:
    if op.activation.name != "silu":
        return op
    return SparseConv1x1(op.weights, op.bias, activation=Activation("clip", 0, 6))


def measure(path: Path, isa: str, runs: int, clamp: bool, parallel: bool) -> Timing:
    """Time all layers in this process."""
    works = read_work(onnx.load(path))
    layers = [Layer(_clamped(w.op) if clamp else w.op, isa=isa, pixels=w.pixels) for w in works]
    buffers = [aligned(max(max(w.op.weights.shape) * w.pixels for w in works)) for _ in range(2)]
    arrays = []
    for i, work in enumerate(works):
        rows, columns = work.op.weights.shape
        x = buffers[i % 2][: columns * work.pixels].reshape(1, columns, work.pixels)
        y = buffers[1 - i % 2][: rows * work.pixels].reshape(1, rows, work.pixels)
        arrays.append((x, y))
    best = [float("inf")] * len(works)
    peak = 0.0
    for turn in range(runs):
        if turn % 50 == 0:  # the clock drifts, so the peak is the best of several moments
            peak = max(peak, fma_peak(isa))
        for i, (layer, (x, y)) in enumerate(zip(layers, arrays, strict=True)):
            best[i] = min(best[i], layer.time(x, out=y, parallel=parallel))
    return Timing(best, [layer.packed_bytes for layer in layers], peak)


def aligned(count: int) -> NDArray[np.float32]:
    """Return floats at a multiple of 64 bytes, as ONNX Runtime's tensors are."""
    memory = np.random.default_rng(0).random(count + 16, np.float32)
    skip = -(memory.ctypes.data // 4) % 16
    return memory[skip : skip + count]


def in_processes(path: Path, isa: str, threads: int, arguments: argparse.Namespace) -> Timing:
    """Return the median of several fresh processes, one after the other."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # which OpenMP reads when a process starts
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        work = (path, isa, arguments.runs, arguments.clamp, threads > 1)
        timings = [pool.submit(measure, *work).result() for _ in range(arguments.processes)]
    return sorted(timings, key=lambda timing: sum(timing.seconds) * timing.peak)[len(timings) // 2]


def measure_rows(
    path: Path, isa: str, threads: int, arguments: argparse.Namespace
) -> list[list[object]]:
    """Return the row of a network, and one for each layer where wanted."""
    models.report(f"{path.stem}: {isa}, threads: {threads}")
    works = read_work(onnx.load(path))
    timing = in_processes(path, isa, threads, arguments)

    def row(name: str, layers: slice) -> list[object]:
        seconds = sum(timing.seconds[layers])
        gflops = sum(work.operations for work in works[layers]) / seconds / 1e9
        peak = threads * timing.peak
        packed = sum(timing.packed_bytes[layers])
        stored = sum(work.op.weights.nbytes for work in works[layers])
        figures = [f"{seconds * 1e3:.3f}", f"{gflops:.0f}", f"{peak:.0f}", f"{gflops / peak:.1%}"]
        return [name, isa, threads, *figures, f"{packed / stored:.2f}"]

    rows = [row(f"{path.stem}{', clamp' if arguments.clamp else ''}", slice(None))]
    if arguments.layers:
        for i, work in enumerate(works):
            shape = work.op.weights.shape
            name = f"{shape[0]} x {shape[1]} at {work.pixels}, block {work.op.weights.block_rows}"
            rows.append(row(name, slice(i, i + 1)))
    return rows


if __name__ == "__main__":
    main()
