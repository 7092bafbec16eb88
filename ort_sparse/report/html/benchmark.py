"""The page of a benchmark: latencies as distributions, engines side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ort_sparse.dependencies import import_onnxruntime
from ort_sparse.measure.tuning import cpu_name
from ort_sparse.report.units import format_shape

from . import charts
from .page import Origin, render
from .tables import Cell, Column, Row, Table, number, text

if TYPE_CHECKING:
    from ort_sparse.measure.layers import LayerTime
    from ort_sparse.measure.network import Benchmark

__all__ = ["benchmark_page"]

BASELINE = "dense"
"""The engine that others are compared with."""

ENGINES = {"sparse": "custom ops"}
"""What engines are called, as in the tables that ``bench`` prints; others as they are."""


def benchmark_page(origin: Origin, results: Sequence[Benchmark]) -> bytes:
    """Return the page of measurements of one model.

    Parameters
    ----------
    origin : Origin
    results : sequence of Benchmark
        With different numbers of threads and sizes of the batch.
    """
    return render(
        "benchmark.html",
        origin,
        facts=[
            ("file", origin.model.name),
            ("processor", cpu_name()),
            ("instruction set of the sparse kernels", results[0].isa),
            ("ONNX Runtime", import_onnxruntime().__version__),
            ("runs of each engine", str(max(len(taken) for taken in results[0].times.values()))),
            ("largest difference of the outputs", f"{_error(results):.1e}"),
            ("regions", _regions(results[0])),
        ],
        latencies=_latency_table(results),
        distributions=[
            (batch, _distributions([r for r in results if r.batch == batch]))
            for batch in dict.fromkeys(r.batch for r in results)
        ],
        layers=[
            (result, _layer_chart(result), _layer_table(result))
            for result in results
            if result.layers is not None
        ],
    )


def _error(results: Sequence[Benchmark]) -> float:
    return max(max(r.error, r.regions.error if r.regions else 0.0) for r in results)


def _regions(result: Benchmark) -> str:
    """Return what ran as regions, or why nothing did."""
    times = result.regions
    if times is None:
        return result.no_regions or "not measured"
    return f"{times.claimed} with {times.claimed_nodes} nodes, of the {times.form} model"


def _threads(count: int) -> str:
    return f"{count} thread" if count == 1 else f"{count} threads"


def _setting(result: Benchmark) -> str:
    return f"batch {result.batch}, {_threads(result.threads)}"


def _latency_table(results: Sequence[Benchmark]) -> Table:
    headings = ("p5 ms", "median ms", "p95 ms", "speed-up", "items a second")
    table = Table(
        "latencies",
        [
            Column("batch", kind="number"),
            Column("threads", kind="number"),
            Column("engine"),
            *(Column(heading, kind="number") for heading in headings),
        ],
    )
    for result in results:
        baseline = float(np.median(result.times[BASELINE]))
        for engine, taken in result.times.items():
            low, median, high = (float(p) for p in np.percentile(taken, (5, 50, 95)))
            table.rows.append(
                Row(
                    [
                        number(result.batch),
                        number(result.threads),
                        text(ENGINES.get(engine, engine)),
                        number(low, ".3f"),
                        number(median, ".3f"),
                        number(high, ".3f"),
                        number(baseline / median, ".2f", unit="x"),
                        number(1e3 * result.batch / median, ".1f"),
                    ],
                    state=ENGINES.get(engine, engine),
                )
            )
    return table


def _distributions(results: Sequence[Benchmark]) -> Any:
    """Draw the runs of one size of the batch."""
    times = {
        f"{ENGINES.get(engine, engine)}, {_threads(result.threads)}": taken
        for result in results
        for engine, taken in result.times.items()
    }
    return charts.distributions(times, name=f"Latencies, batch {results[0].batch}")


def _timed_layers(result: Benchmark) -> Sequence[LayerTime]:
    assert result.layers is not None
    return result.layers.layers


def _layer_chart(result: Benchmark) -> Any:
    layers = _timed_layers(result)
    return layers and charts.layer_bars(
        [layer.dense_microseconds for layer in layers],
        [layer.microseconds for layer in layers],
        name=f"Layers, {_setting(result)}",
        unit="us",
        labels=("dense", "sparse"),
    )


def _layer_table(result: Benchmark) -> Table:
    table = Table(
        f"layers, {_setting(result)}",
        [
            Column("no.", kind="number"),
            Column("layer", kind="name"),
            Column("outputs x inputs", kind="number"),
            Column("pixels", kind="number"),
            Column("zeros", kind="number"),
            Column("block rows", kind="number"),
            Column("us dense", kind="number"),
            Column("us sparse", kind="number"),
            Column("ratio", kind="number"),
            Column("GFLOP/s", kind="number"),
            Column("of peak", kind="number"),
        ],
    )
    for i, layer in enumerate(_timed_layers(result), 1):
        rows, columns = layer.shape
        table.rows.append(
            Row(
                [
                    number(i),
                    text(layer.name),
                    Cell(format_shape(layer.shape), rows * columns),
                    number(layer.pixels),
                    number(layer.zeros, ".1%"),
                    number(layer.block_rows),
                    number(layer.dense_microseconds, ".1f"),
                    number(layer.microseconds, ".1f"),
                    number(layer.ratio, ".2f", unit="x"),
                    number(layer.gflops),
                    number(layer.gflops / result.all_cores_peak, ".0%"),
                ],
                state=layer.activation,
            )
        )
    return table
