"""Results as a figure."""

from __future__ import annotations

import math

from ort_sparse.measure.plot import grouped_bars, picture, pyplot

from .engines import BASELINE, ENGINES
from .results import Results


def draw(results: Results, *, form: str) -> bytes:
    """Draw the speed-ups over dense ONNX Runtime, a row for each number of threads.

    Returns the picture's file in ``form``: png, svg or pdf.
    """
    peers = [engine.name for engine in ENGINES if engine != BASELINE]
    networks = results.networks
    count = len(results.threads)
    figure, axes = pyplot().subplots(
        count, 1, figsize=(13, 1 + 3.5 * count), squeeze=False, sharex=True, layout="constrained"
    )
    for axis, threads in zip(axes[:, 0], results.threads, strict=True):
        heights = {
            name: [results.speed_up(network, threads, name) or math.nan for network in networks]
            for name in peers
        }
        grouped_bars(axis, networks, heights, rotation=20, ha="right")
        axis.axhline(1, color="black", linewidth=1)
        axis.set_ylabel(f"times as fast as dense\n{BASELINE.name}, {threads} thread(s)")
        axis.margins(x=0.01)
        axis.grid(axis="y", alpha=0.3)
        axis.set_axisbelow(True)
    axes[0, 0].legend(ncols=len(peers), loc="lower center", bbox_to_anchor=(0.5, 1))
    figure.suptitle(f"Speed-up over dense {BASELINE.name}, higher is better. {results.cpu}")
    return picture(figure, form)
