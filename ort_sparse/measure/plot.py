"""Figures of benchmarks, drawn with matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ort_sparse.errors import InvalidArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from .network import Benchmark

__all__ = ["check_plot", "draw", "grouped_bars", "picture", "pyplot"]

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
    pyplot()


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
    figure, axes = pyplot().subplots(
        1 + len(timed), 1, figsize=(10, 3 + 3 * len(timed)), squeeze=False, layout="constrained"
    )
    figure.suptitle(title)
    _draw_latencies(axes[0, 0], results)
    for axis, result in zip(axes[1:, 0], timed, strict=True):
        _draw_layers(axis, result)
    return picture(figure, form)


def grouped_bars(
    axis: Any,
    groups: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    spreads: Mapping[str, Sequence[Sequence[float]]] | None = None,
    **text: Any,
) -> None:
    """Draw a group of bars for each label in ``groups``, one bar of each series.

    Parameters
    ----------
    axis : matplotlib axes
    groups : sequence of str
    series : mapping of str to sequence of float
        The heights in each group; NaN leaves a gap.
    spreads : mapping of str to two sequences of float, optional
        For each series how far its error bars go down and up.
    **text
        Properties of the labels.
    """
    width = 0.8 / len(series)
    for position, (name, heights) in enumerate(series.items()):
        offset = (position - (len(series) - 1) / 2) * width
        spread = None if spreads is None else spreads[name]
        places = [i + offset for i in range(len(groups))]
        axis.bar(places, heights, width, yerr=spread, capsize=3, label=name)
    axis.set_xticks(range(len(groups)), groups, **text)


def picture(figure: Any, form: str) -> bytes:
    """Return a figure as a file in the form png, svg or pdf, and close it."""
    file = io.BytesIO()
    figure.savefig(file, format=form, dpi=150)
    pyplot().close(figure)
    return file.getvalue()


def pyplot() -> Any:
    """Return matplotlib's pyplot, set to draw into files.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependencyError(
            'plots need matplotlib: pip install "ort_sparse[bench]"'
        ) from error
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    return plt


def _draw_latencies(axis: Any, results: Sequence[Benchmark]) -> None:
    latencies = {
        "dense": [result.dense for result in results],
        "custom ops": [result.sparse for result in results],
    }
    with_regions = [result.regions.latency for result in results if result.regions is not None]
    if len(with_regions) == len(results):  # one runtime: all have them or none
        latencies["regions"] = with_regions
    grouped_bars(
        axis,
        [f"{r.threads} thread(s), batch {r.batch}, {r.speed_up:.2f}x" for r in results],
        {form: [latency.p50 for latency in taken] for form, taken in latencies.items()},
        spreads={
            form: [
                [latency.p50 - latency.p5 for latency in taken],
                [latency.p95 - latency.p50 for latency in taken],
            ]
            for form, taken in latencies.items()
        },
    )
    axis.set_ylabel("median ms, 5 to 95 %")
    axis.legend()


def _draw_layers(axis: Any, result: Benchmark) -> None:
    assert result.layers is not None
    layers = result.layers.layers
    grouped_bars(
        axis,
        [f"{layer.shape[0]}x{layer.shape[1]} @{layer.pixels}" for layer in layers],
        {
            "dense": [layer.dense_microseconds or 0 for layer in layers],
            "sparse": [layer.microseconds for layer in layers],
        },
        rotation=90,
        fontsize=6,
    )
    axis.set_ylabel("us a layer")
    axis.set_title(f"{result.threads} thread(s), batch {result.batch}, {result.isa}", fontsize=9)
