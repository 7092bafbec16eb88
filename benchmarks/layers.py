"""All sparse 1x1 layers of some networks, for each instruction set: Markdown, or JSON.

Layers of one pixel (squeeze-excite, fully connected) are counted apart: they are no convolutions.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

import models

from ort_sparse.kernels import supported_isas
from ort_sparse.layer_bench import LayerTime
from ort_sparse.network_bench import Benchmark, ModelPair, benchmark, model_pair
from ort_sparse.report import benchmark_data

NETWORKS = ["mbv1_100_90_12b4_684", "mbv2_140_85_11-16b2_720", "enb0_80_none_751"]


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
            results.append((path.stem, measure(pair, isa, arguments)))
    if arguments.json:
        print(json.dumps([{"network": n, **benchmark_data(r)} for n, r in results], indent=2))
        return
    print_totals(results)
    for network, result in results:
        print_worst(network, result, arguments.worst)


def measure(pair: ModelPair, isa: str, arguments: argparse.Namespace) -> Benchmark:
    """Benchmark with one instruction set; sessions read the variable when they are created."""
    before = os.environ.get("ORT_SPARSE_ISA")
    os.environ["ORT_SPARSE_ISA"] = isa
    try:
        return benchmark(pair, threads=arguments.threads, runs=arguments.runs, layers=True)
    finally:
        if before is None:
            del os.environ["ORT_SPARSE_ISA"]
        else:
            os.environ["ORT_SPARSE_ISA"] = before


def print_totals(results: list[tuple[str, Benchmark]]) -> None:
    print("| network | isa | layers | us | dense us | ratio | GFLOP/s | FMA peak | of peak |")
    print("|---|---|---|--:|--:|--:|--:|--:|--:|")
    for network, result in results:
        for name, is_pixel in (("1x1", False), ("one pixel", True)):
            layers = select(result, is_pixel)
            if layers:
                print(f"| {network} | {result.isa} | {len(layers)} {name} {totals(layers, result)}")


def totals(layers: list[LayerTime], result: Benchmark) -> str:
    sparse = sum(layer.microseconds for layer in layers)
    dense = sum(layer.dense_microseconds or 0 for layer in layers)
    gflops = 2e-3 * sum(layer.nonzeros * layer.pixels for layer in layers) / sparse
    peak = result.all_cores_peak
    return (
        f"| {sparse:.0f} | {dense:.0f} | {dense / sparse:.2f} | {gflops:.0f} | {peak:.0f} "
        f"| {gflops / peak:.0%} |"
    )


def print_worst(network: str, result: Benchmark, count: int) -> None:
    """Print the layers whose ratio to dense is the lowest."""
    print(f"\n{network}, {result.isa}: lowest ratios\n")
    print("| shape | pixels | zeros | block | activation | us | dense us | ratio | of peak |")
    print("|---|--:|--:|--:|---|--:|--:|--:|--:|")
    known = [layer for layer in select(result, is_pixel=False) if layer.ratio is not None]
    for layer in sorted(known, key=lambda layer: layer.ratio or 0)[:count]:
        row: list[Any] = [
            f"{layer.shape[0]} x {layer.shape[1]}",
            layer.pixels,
            f"{layer.zeros:.1%}",
            layer.block_rows,
            layer.activation,
            f"{layer.microseconds:.1f}",
            f"{layer.dense_microseconds:.1f}",
            f"{layer.ratio:.2f}",
            f"{layer.gflops / result.all_cores_peak:.0%}",
        ]
        print("| " + " | ".join(map(str, row)) + " |")


def select(result: Benchmark, is_pixel: bool) -> list[LayerTime]:
    assert result.layers is not None
    return [layer for layer in result.layers.layers if (layer.pixels == 1) == is_pixel]


if __name__ == "__main__":
    main()
