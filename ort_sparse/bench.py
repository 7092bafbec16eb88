"""Latency of models side by side: engines interleaved in one run, so that noise hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

__all__ = ["Latency", "interleave", "onnx_engine"]

Engine = Callable[[], Any]
"""Runs a model once."""

PERCENTILES = (5, 50, 95)


@dataclass(frozen=True)
class Latency:
    """Times of one engine, in milliseconds."""

    p5: float
    p50: float
    p95: float
    runs: int


def onnx_engine(
    model: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]], *, threads: int
) -> Engine:
    """Return a function that runs the model once with this many threads."""
    import onnxruntime

    from .runtime import session

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    created = session(model, options)
    return lambda: created.run(None, dict(feeds))


def interleave(
    engines: Mapping[str, Engine],
    *,
    runs: int = 100,
    block: int = 5,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Latency]:
    """Time engines in turn, a few runs each.

    Before each block an engine runs twice unmeasured: that fills its caches, and lets the worker
    threads of the one before it stop spinning.

    Parameters
    ----------
    engines : mapping of str to callable
    runs : int
        Measured runs of each engine.
    block : int
        Measured runs of an engine before the next one's turn.
    progress : callable
        Called with the runs done and the runs in all.

    Returns
    -------
    dict of str to Latency
    """
    times: dict[str, list[float]] = {name: [] for name in engines}
    while any(len(taken) < runs for taken in times.values()):
        for name, engine in engines.items():
            engine()
            engine()
            for _ in range(min(block, runs - len(times[name]))):
                start = time.perf_counter()
                engine()
                times[name].append((time.perf_counter() - start) * 1e3)
        progress(min(len(taken) for taken in times.values()), runs)
    return {name: _summary(taken) for name, taken in times.items()}


def _summary(times: list[float]) -> Latency:
    low, middle, high = np.percentile(times, PERCENTILES)
    return Latency(float(low), float(middle), float(high), len(times))
