"""What the command line prints: tables for people, plain dictionaries for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from .converters.passes import LayerReport, OtherLayer
from .converters.stored import StoredItem
from .measure.latency import Latency
from .measure.layers import LayerTime, LayerTimes, NodeTime, total_microseconds
from .measure.network import Benchmark
from .verification import Comparison

__all__ = [
    "benchmark_data",
    "comparison_data",
    "comparison_table",
    "format_bytes",
    "latency_table",
    "layer_data",
    "layer_table",
    "layer_time_table",
    "other_layer_table",
    "size_data",
    "size_tables",
]


def format_bytes(count: float) -> str:
    """Return a size in bytes, kB or MB (powers of 1000)."""
    if count < 1000:
        return f"{count:.0f} B"
    if count < 1e6:
        return f"{count / 1e3:.1f} kB"
    return f"{count / 1e6:.2f} MB"


def _format_macs(count: int | None) -> str:
    return "?" if count is None else f"{count / 1e6:.2f} M"


def layer_data(layers: Sequence[LayerReport] | Sequence[OtherLayer]) -> list[dict[str, Any]]:
    """Return the layers as JSON-ready dictionaries."""
    return [asdict(layer) for layer in layers]


def layer_table(layers: Sequence[LayerReport]) -> Table:
    """Return a table of layers: shape, zeros, block, bytes and MACs before and after."""
    table = Table("layer", "kind", title="1x1 and fully connected layers", title_justify="left")
    for heading in ("shape", "zeros", "block", "bytes", "", "MACs", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("why")
    for layer in layers:
        table.add_row(
            layer.name,
            layer.kind,
            f"{layer.shape[0]} x {layer.shape[1]}",
            f"{layer.zeros:.1%}",
            str(layer.block_rows) if layer.block_rows else "dense",
            format_bytes(layer.bytes_before),
            format_bytes(layer.bytes_after),
            _format_macs(layer.macs_before),
            _format_macs(layer.macs_after),
            layer.reason,
        )
    table.add_section()
    known = [layer for layer in layers if layer.macs_before is not None]
    table.add_row(
        f"all {len(layers)}",
        "",
        "",
        "",
        f"{sum(layer.block_rows is not None for layer in layers)} sparse",
        format_bytes(sum(layer.bytes_before for layer in layers)),
        format_bytes(sum(layer.bytes_after for layer in layers)),
        _format_macs(sum(layer.macs_before or 0 for layer in known)),
        _format_macs(sum(layer.macs_after or 0 for layer in known)),
        "",
    )
    return table


def other_layer_table(layers: Sequence[OtherLayer]) -> Table:
    """Return a table of layers that have many zeros and no sparse form."""
    table = Table("layer", "kind", title="Layers that stay dense", title_justify="left")
    for heading in ("weights", "zeros", "bytes"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("why")
    for layer in layers:
        table.add_row(
            layer.name,
            layer.kind,
            " x ".join(map(str, layer.shape)),
            f"{layer.zeros:.1%}",
            format_bytes(layer.bytes),
            layer.reason,
        )
    return table


LARGEST = 10
"""How many of the largest items of a file are listed."""


def size_data(items: Sequence[StoredItem], total: int) -> dict[str, Any]:
    """Return where the bytes of a file are, as a JSON-ready dictionary.

    Parameters
    ----------
    items : sequence of StoredItem
    total : int
        Bytes of the file; what is in none of the items is the graph.
    """
    kinds: dict[str, list[int]] = {}
    for item in items:
        kinds.setdefault(item.kind, []).append(item.bytes)
    kinds["graph"] = [total - sum(item.bytes for item in items)]
    summary = [
        {"kind": kind, "count": len(sizes), "bytes": sum(sizes)} for kind, sizes in kinds.items()
    ]
    return {
        "bytes": total,
        "kinds": sorted(summary, key=lambda row: row["bytes"], reverse=True),
        "largest": [
            asdict(item)
            for item in sorted(items, key=lambda item: item.bytes, reverse=True)[:LARGEST]
        ],
    }


def size_tables(items: Sequence[StoredItem], total: int) -> list[Table]:
    """Return tables of where the bytes of a file are: by kind, and the largest items."""
    data = size_data(items, total)
    kinds = Table("what", title=f"{format_bytes(total)} in all", title_justify="left")
    largest = Table("largest", "what", title_justify="left")
    for table, headings in ((kinds, ("count", "bytes", "share")), (largest, ("bytes", "share"))):
        for heading in headings:
            table.add_column(heading, justify="right", no_wrap=True)
    for row in data["kinds"]:
        size = row["bytes"]
        kinds.add_row(row["kind"], str(row["count"]), format_bytes(size), f"{size / total:.1%}")
    for row in data["largest"]:
        size = row["bytes"]
        largest.add_row(row["name"], row["kind"], format_bytes(size), f"{size / total:.1%}")
    return [kinds, largest]


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as a JSON-ready dictionary."""
    return {
        "passed": comparison.passed,
        "tolerance": comparison.tolerance,
        "outputs": [
            {**asdict(output), "shape": list(output.shape), "error": output.error}
            for output in comparison.outputs
        ],
    }


def comparison_table(comparison: Comparison) -> Table:
    """Return a table of outputs and how far they are apart."""
    table = Table("output", title=f"tolerance {comparison.tolerance:g}", title_justify="left")
    for heading in ("shape", "largest value", "difference", "relative", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for output in comparison.outputs:
        table.add_row(
            output.name,
            " x ".join(map(str, output.shape)),
            f"{output.largest:.6g}",
            f"{output.difference:.3g}",
            f"{output.error:.3g}",
            "equal" if output.error <= comparison.tolerance else "DIFFERENT",
        )
    return table


def latency_table(latencies: Mapping[str, Latency], *, baseline: str, title: str) -> Table:
    """Return a table of percentiles in milliseconds, and speed-ups of medians."""
    table = Table("engine", title=title, title_justify="left")
    for heading in ("p5 ms", "median ms", "p95 ms", "speed-up"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, latency in latencies.items():
        table.add_row(
            name,
            f"{latency.p5:.3f}",
            f"{latency.p50:.3f}",
            f"{latency.p95:.3f}",
            f"{latencies[baseline].p50 / latency.p50:.2f}x",
        )
    return table


def benchmark_data(benchmark: Benchmark) -> dict[str, Any]:
    """Return a benchmark as a JSON-ready dictionary; times in milliseconds and microseconds."""
    layers = benchmark.layers
    return {
        "threads": benchmark.threads,
        "isa": benchmark.isa,
        "fma_peak_gflops": benchmark.fma_peak,
        "error": benchmark.error,
        "dense_ms": asdict(benchmark.dense),
        "sparse_ms": asdict(benchmark.sparse),
        "speed_up": benchmark.speed_up,
        "layers": layers
        and [
            {
                **asdict(layer),
                "gflops": layer.gflops,
                "share_of_peak": layer.gflops / benchmark.all_cores_peak,
                "ratio": layer.ratio,
            }
            for layer in layers.layers
        ],
        "reorders_microseconds": layers and _totals(layers.reorders),
        "others_microseconds": layers and _totals(layers.others),
    }


def layer_time_table(benchmark: Benchmark) -> Table:
    """Return a table of the sparse layers: times, share of the FMA peak, dense time, ratio."""
    assert benchmark.layers is not None
    title = (
        f"{benchmark.threads} thread(s), {benchmark.isa}, "
        f"FMA peak {benchmark.fma_peak:.0f} GFLOP/s a core"
    )
    table = Table("layer", title=title, title_justify="left")
    for heading in ("shape", "pixels", "zeros", "block", "us", "GFLOP/s", "of peak"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("dense us", justify="right", no_wrap=True)
    table.add_column("ratio", justify="right", no_wrap=True)
    for layer in benchmark.layers.layers:
        table.add_row(
            layer.name,
            f"{layer.shape[0]} x {layer.shape[1]}",
            str(layer.pixels),
            f"{layer.zeros:.1%}",
            str(layer.block_rows),
            *_time_cells(layer, benchmark.all_cores_peak),
        )
    table.add_section()
    for name, sparse, dense in _sums(benchmark.layers):
        table.add_row(name, "", "", "", "", f"{sparse:.0f}", "", "", f"{dense:.0f}", "")
    return table


def _time_cells(layer: LayerTime, peak: float) -> list[str]:
    return [
        f"{layer.microseconds:.1f}",
        f"{layer.gflops:.0f}",
        f"{layer.gflops / peak:.0%}",
        "?" if layer.dense_microseconds is None else f"{layer.dense_microseconds:.1f}",
        "?" if layer.ratio is None else f"{layer.ratio:.2f}x",
    ]


def _totals(nodes: Mapping[str, Sequence[NodeTime]]) -> dict[str, float]:
    return {form: total_microseconds(times) for form, times in nodes.items()}


def _sums(times: LayerTimes) -> list[tuple[str, float, float]]:
    """Return what the sessions spend their microseconds on: name, sparse, dense."""
    reorders, others = _totals(times.reorders), _totals(times.others)
    return [
        (
            "these layers",
            sum(layer.microseconds for layer in times.layers),
            sum(layer.dense_microseconds or 0 for layer in times.layers),
        ),
        ("changes of layout", reorders["sparse"], reorders["dense"]),
        ("all other nodes", others["sparse"], others["dense"]),
    ]
