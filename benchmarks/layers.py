"""All sparse 1x1 layers of some networks, for each instruction set: Markdown, or JSON.

Layers of one pixel (squeeze-excite, fully connected) are counted apart: they are no convolutions.
"Alone" is a layer that runs again and again on one thread, its arrays as warm as they can be.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from functools import partial
from typing import Any

import markdown
import models
import numpy as np

from ort_sparse.kernels import Layer, supported_isas
from ort_sparse.measure.layers import LayerTime
from ort_sparse.measure.network import Benchmark, ModelPair, benchmark
from ort_sparse.model_pair import model_pair
from ort_sparse.op import SparseConv1x1, read_layers
from ort_sparse.report.times import benchmark_data

NETWORKS = ["mbv1_100_90_12b4_684", "mbv2_140_85_11-16b2_720", "enb0_80_none_751"]


@dataclass(frozen=True)
class Row:
    """A layer in its network, and its microseconds alone."""

    layer: LayerTime
    alone: float


@dataclass(frozen=True)
class Result:
    """A network with one instruction set."""

    network: str
    benchmark: Benchmark
    rows: list[Row]

    def select(self, is_pixel: bool) -> list[Row]:
        """Return the layers of one pixel, or all others."""
        return [row for row in self.rows if (row.layer.pixels == 1) == is_pixel]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    models.add_arguments(parser, NETWORKS)
    isas = [isa for isa in ("avx512", "avx2", "neon") if isa in supported_isas()]
    parser.add_argument("--isas", nargs="+", default=isas, choices=supported_isas())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--worst", type=int, default=5, help="worst layers to show (%(default)s)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = []
    for model in arguments.models:
        path = models.find(model, arguments.folder)
        models.report(f"{path.stem}: converting")
        pair = model_pair(path, layers="all")
        for isa in arguments.isas:
            models.report(f"{path.stem}: {isa}")
            results.append(measure(path.stem, pair, isa, arguments))
    if arguments.json:
        print(json.dumps([to_json(result) for result in results], indent=2))
        return
    print_totals(results)
    for result in results:
        print_worst(result, arguments.worst)


def measure(network: str, pair: ModelPair, isa: str, arguments: argparse.Namespace) -> Result:
    """Benchmark with one instruction set; sessions read the variable when they are created."""
    before = os.environ.get("ORT_SPARSE_ISA")
    os.environ["ORT_SPARSE_ISA"] = isa
    try:
        result = benchmark(pair, threads=arguments.threads, runs=arguments.runs, layers=True)
    finally:
        if before is None:
            del os.environ["ORT_SPARSE_ISA"]
        else:
            os.environ["ORT_SPARSE_ISA"] = before
    assert result.layers is not None
    ops = read_layers(pair.sparse)
    rows = [
        Row(layer, time_alone(ops[layer.name], layer, isa, arguments.runs))
        for layer in result.layers.layers
    ]
    return Result(network, result, rows)


def time_alone(op: SparseConv1x1, layer: LayerTime, isa: str, runs: int) -> float:
    """Return the median microseconds of a layer that runs again and again."""
    x = np.ones((1, layer.shape[1], layer.pixels), np.float32)
    y = np.ones((1, layer.shape[0], layer.pixels), np.float32)
    packed = Layer(op, isa=isa, pixels=layer.pixels)
    run = partial(packed.time, x, y.copy() if layer.residual else None, out=y, parallel=False)
    times = [run() for _ in range(runs + 5)]
    return float(np.median(times[5:])) * 1e6


def to_json(result: Result) -> dict[str, Any]:
    data = benchmark_data(result.benchmark)
    for layer, row in zip(data["layers"], result.rows, strict=True):
        layer["alone_microseconds"] = row.alone
    return {"network": result.network, **data}


def print_totals(results: list[Result]) -> None:
    headings = ["network", "isa", "layers", "us", "dense us", "ratio", "GFLOP/s", "of peak"]
    headings += ["alone us", "GFLOP/s", "of peak"]
    lines = []
    for result in results:
        for name, is_pixel in (("1x1", False), ("one pixel", True)):
            rows = result.select(is_pixel)
            if rows:
                layers = f"{len(rows)} {name}"
                isa = result.benchmark.isa
                lines.append([result.network, isa, layers, *totals(rows, result.benchmark)])
    print(markdown.table(headings, lines))


def totals(rows: list[Row], benchmark: Benchmark) -> list[str]:
    sparse = sum(row.layer.microseconds for row in rows)
    dense = sum(row.layer.dense_microseconds or 0 for row in rows)
    alone = sum(row.alone for row in rows)
    operations = 2e-3 * sum(row.layer.nonzeros * row.layer.pixels for row in rows)
    inside, apart = operations / sparse, operations / alone
    return [
        f"{sparse:.0f}",
        f"{dense:.0f}",
        f"{dense / sparse:.2f}",
        f"{inside:.0f}",
        f"{inside / benchmark.all_cores_peak:.0%}",
        f"{alone:.0f}",
        f"{apart:.0f}",
        f"{apart / benchmark.fma_peak:.0%}",
    ]


def print_worst(result: Result, count: int) -> None:
    """Print the layers whose ratio to dense is the lowest."""
    print(f"\n{result.network}, {result.benchmark.isa}: lowest ratios\n")
    headings = ["shape", "pixels", "zeros", "block", "activation", "us", "dense us", "ratio"]
    headings += ["alone us"]
    known = [row for row in result.select(is_pixel=False) if row.layer.ratio is not None]
    worst = sorted(known, key=lambda row: row.layer.ratio or 0)[:count]
    print(markdown.table(headings, [worst_cells(row) for row in worst]))


def worst_cells(row: Row) -> list[object]:
    layer = row.layer
    return [
        f"{layer.shape[0]} x {layer.shape[1]}",
        layer.pixels,
        f"{layer.zeros:.1%}",
        layer.block_rows,
        layer.activation,
        f"{layer.microseconds:.1f}",
        f"{layer.dense_microseconds:.1f}",
        f"{layer.ratio:.2f}",
        f"{row.alone:.1f}",
    ]


if __name__ == "__main__":
    main()
