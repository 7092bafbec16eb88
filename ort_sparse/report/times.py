"""Times of models and their layers, dense and sparse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ort_sparse.measure.layers import LayerTimes, NodeTime, total_microseconds

from .comparison import comparison_data
from .listing import Listing
from .units import format_shape

if TYPE_CHECKING:
    from ort_sparse.demo import Demo
    from ort_sparse.measure.latency import Latency
    from ort_sparse.measure.network import Benchmark

__all__ = [
    "benchmark_data",
    "benchmark_tables",
    "demo_data",
    "engine_table",
    "latency_table",
    "layer_time_table",
]


def latency_table(
    latencies: Mapping[str, Latency], *, baseline: str, title: str, caption: str = ""
) -> Listing:
    """Return a table of percentiles in milliseconds, and speed-ups of medians."""
    table = Listing(
        "engine", "p5 ms", "median ms", "p95 ms", "speed-up", title=title, caption=caption
    )
    for name, latency in latencies.items():
        table.add(
            name,
            f"{latency.p5:.3f}",
            f"{latency.p50:.3f}",
            f"{latency.p95:.3f}",
            f"{latencies[baseline].p50 / latency.p50:.2f}x",
        )
    return table


def benchmark_tables(benchmark: Benchmark) -> list[Listing]:
    """Return tables of the latencies, and of the layers where they were timed."""
    latencies = engine_table(benchmark, title=f"{_setting(benchmark)}, error {benchmark.error:.1e}")
    return [latencies] if benchmark.layers is None else [latencies, layer_time_table(benchmark)]


def engine_table(benchmark: Benchmark, *, title: str) -> Listing:
    """Return a table of the latencies of a network in each way to run it."""
    latencies = {"dense": benchmark.dense, "custom ops": benchmark.sparse}
    if benchmark.regions is not None:
        latencies["regions"] = benchmark.regions.latency
    return latency_table(
        latencies, baseline="dense", title=title, caption=_what_was_claimed(benchmark)
    )


def _what_was_claimed(benchmark: Benchmark) -> str:
    times = benchmark.regions
    if times is None:
        return f"regions {benchmark.no_regions}" if benchmark.no_regions else ""
    what = "nothing was claimed, so that it ran as without"
    if times.claimed:
        what = f"claimed: {times.claimed}, with {times.claimed_nodes} nodes"
    return f"regions ({times.mode}, of the {times.form} model): {what}; error {times.error:.1e}"


def benchmark_data(benchmark: Benchmark) -> dict[str, Any]:
    """Return a benchmark as a JSON-ready dictionary; times in milliseconds and microseconds."""
    layers = benchmark.layers
    return {
        "threads": benchmark.threads,
        "batch": benchmark.batch,
        "isa": benchmark.isa,
        "fma_peak_gflops": benchmark.fma_peak,
        "error": benchmark.error,
        "dense_ms": asdict(benchmark.dense),
        "sparse_ms": asdict(benchmark.sparse),
        "regions_ms": benchmark.regions and asdict(benchmark.regions.latency),
        "speed_up": benchmark.speed_up,
        "regions": region_time_data(benchmark),
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


def region_time_data(benchmark: Benchmark) -> dict[str, Any]:
    """Return what is known of regions but their times, as a JSON-ready dictionary."""
    times = benchmark.regions
    if times is None:
        return {"measured": False, "reason": benchmark.no_regions}
    return {
        "measured": True,
        "mode": times.mode,
        "form": times.form,
        "claimed": times.claimed,
        "claimed_nodes": times.claimed_nodes,
        "error": times.error,
        "speed_up": benchmark.dense.p50 / times.latency.p50,
    }


def demo_data(demo: Demo, *, network: str) -> dict[str, Any]:
    """Return a demo as a JSON-ready dictionary."""
    return {
        "network": network,
        "threads": demo.times.threads,
        "isa": demo.times.isa,
        "bytes": demo.sizes,
        "sparse_layers": demo.sparse_layers,
        "comparison": comparison_data(demo.comparison),
        "latency_ms": {
            "dense": asdict(demo.times.dense),
            "sparse": asdict(demo.times.sparse),
            "regions": demo.times.regions and asdict(demo.times.regions.latency),
        },
        "regions": region_time_data(demo.times),
    }


def layer_time_table(benchmark: Benchmark) -> Listing:
    """Return a table of the sparse layers: times, share of the FMA peak, dense time, ratio."""
    assert benchmark.layers is not None
    table = Listing(
        "layer",
        "us\ndense",
        "us\nsparse",
        "\nratio",
        "GFLOP/s\nsparse",
        "of\npeak",
        title=(f"{_setting(benchmark)}, FMA peak {benchmark.fma_peak:.0f} GFLOP/s a core"),
        note="what it is",
    )
    for layer in benchmark.layers.layers:
        dense, ratio = layer.dense_microseconds, layer.ratio
        table.add(
            layer.name,
            "?" if dense is None else f"{dense:.1f}",
            f"{layer.microseconds:.1f}",
            "?" if ratio is None else f"{ratio:.2f}x",
            f"{layer.gflops:.0f}",
            f"{layer.gflops / benchmark.all_cores_peak:.0%}",
            note=(
                f"{format_shape(layer.shape)}, {layer.zeros:.1%} zeros, "
                f"blocks of {layer.block_rows}, {layer.pixels} pixels"
            ),
        )
    for name, sparse, dense_sum in _sums(benchmark.layers):
        table.add_total(name, f"{dense_sum:.1f}", f"{sparse:.1f}", "", "", "")
    return table


def _setting(benchmark: Benchmark) -> str:
    return f"{benchmark.threads} thread(s), batch {benchmark.batch}, {benchmark.isa}"


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
