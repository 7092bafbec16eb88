"""Whole networks, dense ONNX Runtime and ort_sparse side by side: Markdown, or JSON.

`sparse` is the converted network with custom ops alone, `regions` what the two lines give.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import markdown
import models

from ort_sparse.measure.network import Benchmark, benchmark
from ort_sparse.model_pair import model_pair
from ort_sparse.op import DOMAIN
from ort_sparse.report.times import benchmark_data

HEADINGS = [
    "network",
    "sparse layers",
    "threads",
    "dense ms",
    "sparse ms",
    "regions ms",
    "sparse",
    "regions",
    "regions to the better",
    "error",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    models.add_arguments(parser, models.published_networks())
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--layers", choices=("auto", "all"), default="auto")
    parser.add_argument("--regions", choices=("auto", "all"), default="auto")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows, left_out = models.measure_each(arguments.models, lambda model: measure(model, arguments))
    if arguments.json:
        print(json.dumps([to_json(*row) for row in rows], indent=2))
    else:
        print(markdown.table(HEADINGS, [cells(*row) for row in rows]))
    models.finish(arguments.models, left_out)


def measure(model: str, arguments: argparse.Namespace) -> list[tuple[str, int, Benchmark]]:
    path = models.find(model, arguments.folder)
    models.report(f"{path.stem}: converting")
    pair = model_pair(path, layers=arguments.layers)
    sparse_layers = sum(node.domain == DOMAIN for node in pair.sparse.graph.node)
    rows = []
    for threads in arguments.threads:
        models.report(f"{path.stem}: {threads} thread(s)")
        result = benchmark(pair, threads=threads, runs=arguments.runs, regions=arguments.regions)
        rows.append((path.stem, sparse_layers, result))
    return rows


def to_json(network: str, sparse_layers: int, result: Benchmark) -> dict[str, Any]:
    return {"network": network, "sparse_layers": sparse_layers, **benchmark_data(result)}


def cells(network: str, sparse_layers: int, result: Benchmark) -> list[object]:
    dense, sparse = result.dense.p50, result.sparse.p50
    regions = result.regions.latency.p50 if result.regions is not None else None
    return [
        network,
        sparse_layers,
        result.threads,
        f"{dense:.2f}",
        f"{sparse:.2f}",
        f"{regions:.2f}" if regions else result.no_regions,
        f"{dense / sparse:.2f}x",
        f"{dense / regions:.2f}x" if regions else "",
        f"{min(dense, sparse) / regions:.2f}" if regions else "",
        f"{max(result.error, result.regions.error if result.regions else 0):.1e}",
    ]


if __name__ == "__main__":
    main()
