"""The kernels alone, without ONNX Runtime: all 1x1 layers of some networks on one core, warm.

Layers run one after the other, each into the array that the one before read, so that the caches
hold what a network would leave in them at best. Shown is each layer's fastest run, which includes
about a microsecond of the call from Python.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import models
import numpy as np
import onnx
from numpy.typing import NDArray

from ort_sparse.conversion import convert_and_report
from ort_sparse.kernels import Layer, fma_peak, supported_isas
from ort_sparse.op import OP_TYPE, Activation, SparseConv1x1

NETWORKS = ["mbv1_100_90_12b4_684", "mbv2_140_85_11-16b2_720", "enb0_80_none_751"]


@dataclass
class Work:
    """A layer, its output plane, and its fastest run in seconds."""

    op: SparseConv1x1
    pixels: int
    best: float = float("inf")

    @property
    def operations(self) -> float:
        """Floating-point operations on stored values."""
        weights = self.op.weights
        return 2.0 * weights.values.size * self.pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    models.add_arguments(parser, NETWORKS)
    isas = [isa for isa in ("avx512", "avx2", "neon") if isa in supported_isas()]
    parser.add_argument("--isas", nargs="+", default=isas, choices=supported_isas())
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--clamp", action="store_true", help="a clamp in place of SiLU")
    parser.add_argument("--layers", action="store_true", help="show each layer")
    arguments = parser.parse_args()
    print("| network | isa | layers | ms | GFLOP/s | FMA peak | of peak | packed / block-CSR |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for model in arguments.models:
        path = models.find(model, arguments.folder)
        works = read_layers(convert_and_report(path, layers="all", verify=False).model)
        for isa in arguments.isas:
            report(path.stem, isa, works, arguments)


def read_layers(model: onnx.ModelProto) -> list[Work]:
    """Return the sparse layers of more than one pixel, in order."""
    shapes = {
        info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        for info in [*model.graph.value_info, *model.graph.input, *model.graph.output]
    }
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    works = []
    for node in model.graph.node:
        if node.op_type != OP_TYPE:
            continue
        names = dict(zip(("values", "indices", "indptr", "bias"), node.input[1:5], strict=False))
        op = SparseConv1x1.from_node(
            {a.name: _value(a) for a in node.attribute},
            {key: onnx.numpy_helper.to_array(arrays[name]) for key, name in names.items() if name},
        )
        pixels = int(np.prod(shapes[node.output[0]][2:]))
        if pixels > 1:
            works.append(Work(op, pixels))
    return works


def _value(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value


def report(network: str, isa: str, works: list[Work], arguments: argparse.Namespace) -> None:
    """Print one row, and one for each layer where wanted."""
    models.report(f"{network}: {isa}")
    layers = [
        Layer(_clamped(w.op) if arguments.clamp else w.op, isa=isa, pixels=w.pixels) for w in works
    ]
    buffers = [aligned(max(max(w.op.weights.shape) * w.pixels for w in works)) for _ in range(2)]
    peak = 0.0
    for work in works:
        work.best = float("inf")
    for turn in range(arguments.runs):
        if turn % 50 == 0:  # the clock drifts, so the peak is the best of several moments
            peak = max(peak, fma_peak(isa))
        for i, (work, layer) in enumerate(zip(works, layers, strict=True)):
            rows, columns = work.op.weights.shape
            x = buffers[i % 2][: columns * work.pixels].reshape(1, columns, work.pixels)
            y = buffers[1 - i % 2][: rows * work.pixels].reshape(1, rows, work.pixels)
            start = time.perf_counter()
            layer(x, out=y, parallel=False)
            work.best = min(work.best, time.perf_counter() - start)
    seconds = sum(work.best for work in works)
    gflops = sum(work.operations for work in works) / seconds / 1e9
    packed = sum(layer.packed_bytes for layer in layers)
    stored = sum(w.op.weights.nbytes for w in works)
    print(
        f"| {network} | {isa} | {len(works)} | {seconds * 1e3:.3f} | {gflops:.0f} | {peak:.0f} "
        f"| {gflops / peak:.1%} | {packed / stored:.2f} |"
    )
    if arguments.layers:
        for work, layer in zip(works, layers, strict=True):
            weights = work.op.weights
            gflops = work.operations / work.best / 1e9
            print(
                f"| {weights.shape[0]} x {weights.shape[1]} at {work.pixels} | {isa} "
                f"| block {weights.block_rows} | {work.best * 1e3:.4f} | {gflops:.0f} "
                f"| {peak:.0f} | {gflops / peak:.1%} | {layer.packed_bytes / weights.nbytes:.2f} |"
            )


def _clamped(op: SparseConv1x1) -> SparseConv1x1:
    if op.activation.name != "silu":
        return op
    return SparseConv1x1(op.weights, op.bias, activation=Activation("clip", 0, 6))


def aligned(count: int) -> NDArray[np.float32]:
    """Return floats at a multiple of 64 bytes, as ONNX Runtime's tensors are."""
    memory = np.random.default_rng(0).random(count + 16, np.float32)
    skip = -(memory.ctypes.data // 4) % 16
    return memory[skip : skip + count]


if __name__ == "__main__":
    main()
