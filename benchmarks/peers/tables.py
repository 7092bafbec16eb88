"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.markdown import table

from .engines import BASELINE, ENGINES
from .results import Results, Row

NAMES = [engine.name for engine in ENGINES]

QUIET_SPREAD = 1.5
"""On a quiet machine 1.1 to 1.3 was seen, beside other work 1.8 and more."""


def tables(results: Results) -> str:
    """Return latencies, errors, why any are missing, and which are not to be believed."""
    parts = [
        _caption(results),
        table(["network", "threads", *NAMES], _latency_cells(results)),
        "Error: largest difference to the outputs of dense ONNX Runtime, relative to their largest "
        "value.",
        table(["network", *NAMES[1:]], _error_cells(results)),
    ]
    missing = {f"- {row.engine}: {row.reason}" for row in results.rows if row.reason is not None}
    if missing:
        parts.append("\n".join(["Not measured:", "", *sorted(missing)]))
    disturbed = list(_disturbed(results))
    if disturbed:
        parts.append("\n".join(["Disturbed, to be measured again:", "", *disturbed]))
    return "\n\n".join(parts)


def _disturbed(results: Results) -> Iterable[str]:
    for network in results.networks:
        for threads in results.threads:
            spread = results.spread(network, threads)
            if spread is not None and spread > QUIET_SPREAD:
                yield (
                    f"- {network}, {threads} thread(s): "
                    f"the 95th percentile is {spread:.1f} times the 5th"
                )


def _caption(results: Results) -> str:
    versions = {
        f"{row.engine} {row.version}": None for row in results.rows if row.version is not None
    }
    return (
        f"{results.cpu}; {', '.join(versions)}. Median milliseconds, and how many times faster "
        "than dense ONNX Runtime; at the end the geometric mean."
    )


def _latency_cells(results: Results) -> Iterable[list[str]]:
    for network in results.networks:
        for threads in results.threads:
            rows = results.contest(network, threads)
            if rows:
                cells = [_latency(rows[name], results) for name in NAMES]
                yield [network, str(threads), *cells]
    for threads in results.threads:
        means = [results.mean_speed_up(threads, name) for name in NAMES]
        cells = ["-" if mean is None else f"{mean:.2f}x" for mean in means]
        yield ["geometric mean", str(threads), *cells]


def _latency(row: Row, results: Results) -> str:
    if row.latency_ms is None:
        return "-"
    speed_up = results.speed_up(row.network, row.threads, row.engine)
    if speed_up is None or row.engine == BASELINE.name:
        return f"{row.latency_ms.p50:.2f}"
    return f"{row.latency_ms.p50:.2f} ({speed_up:.2f}x)"


def _error_cells(results: Results) -> Iterable[list[str]]:
    for network in results.networks:
        errors = [_error(results, network, name) for name in NAMES[1:]]
        yield [network, *["-" if error is None else f"{error:.1e}" for error in errors]]


def _error(results: Results, network: str, engine: str) -> float | None:
    """Return the largest error for any number of threads."""
    errors = [
        row.error
        for row in results.rows
        if (row.network, row.engine) == (network, engine) and row.error is not None
    ]
    return max(errors, default=None)
