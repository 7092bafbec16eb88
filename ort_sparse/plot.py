"""Figures of benchmarks, drawn with matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InvalidArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from .network_bench import Benchmark

__all__ = ["check_plot", "draw"]

FORMS = (".pdf", ".png", ".svg")


def check_plot(path: Path) -> None:
    """Raise an error, before anything is measured, if a figure could not be written to ``path``.

    Raises
    ------
    InvalidArgumentError
        If the suffix is none of those that can be drawn.
    MissingDependencyError
        If matplotlib is not installed.
    """
    if path.suffix not in FORMS:
        raise InvalidArgumentError(f"{path}: must end in {', '.join(FORMS)}")
    _pyplot()


def draw(results: Sequence[Benchmark], *, title: str, form: str) -> bytes:
    """Draw the latencies, and below them the layers where they were timed.

    Parameters
    ----------
    results : sequence of Benchmark
    title : str
    form : str
        png, svg or pdf.

    Returns
    -------
    bytes
        The picture's file.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    timed = [result for result in results if result.layers is not None]
    figure, axes = _pyplot().subplots(
        1 + len(timed), 1, figsize=(10, 3 + 3 * len(timed)), squeeze=False, layout="constrained"
    )
    figure.suptitle(title)
    _draw_latencies(axes[0, 0], results)
    for axis, result in zip(axes[1:, 0], timed, strict=True):
        _draw_layers(axis, result)
    file = io.BytesIO()
    figure.savefig(file, format=form, dpi=150)
    _pyplot().close(figure)
    return file.getvalue()


def _draw_latencies(axis: Any, results: Sequence[Benchmark]) -> None:
    for offset, form in ((-0.2, "dense"), (0.2, "sparse")):
        latencies = [getattr(result, form) for result in results]
        medians = [latency.p50 for latency in latencies]
        spread = [
            [latency.p50 - latency.p5 for latency in latencies],
            [latency.p95 - latency.p50 for latency in latencies],
        ]
        places = [i + offset for i in range(len(results))]
        axis.bar(places, medians, 0.4, yerr=spread, capsize=3, label=form)
    labels = [f"{r.threads} thread(s), {r.speed_up:.2f}x" for r in results]
    axis.set_xticks(range(len(results)), labels)
    axis.set_ylabel("median ms, 5 to 95 %")
    axis.legend()


def _draw_layers(axis: Any, result: Benchmark) -> None:
    assert result.layers is not None
    layers = result.layers.layers
    for offset, label, times in (
        (-0.2, "dense", [layer.dense_microseconds or 0 for layer in layers]),
        (0.2, "sparse", [layer.microseconds for layer in layers]),
    ):
        axis.bar([i + offset for i in range(len(layers))], times, 0.4, label=label)
    labels = [f"{layer.shape[0]}x{layer.shape[1]} @{layer.pixels}" for layer in layers]
    axis.set_xticks(range(len(layers)), labels, rotation=90, fontsize=6)
    axis.set_ylabel("us a layer")
    axis.set_title(f"{result.threads} thread(s), {result.isa}", fontsize=9)


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependencyError(
            'plots need matplotlib: pip install "ort_sparse[bench]"'
        ) from error
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    return plt
