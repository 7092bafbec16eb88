"""Latency of models side by side: engines interleaved in one run, so that noise hits all alike."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ort_sparse.claims import session_with_report
from ort_sparse.dependencies import import_onnxruntime
from ort_sparse.kernels import supported_isas
from ort_sparse.regions import RegionsReport
from ort_sparse.runtime import session

__all__ = [
    "Engine",
    "Feeds",
    "Latency",
    "interleave",
    "isa_in_use",
    "onnx_engine",
    "region_engine",
    "summarise",
    "time_runs",
]

Feeds = Mapping[str, NDArray[Any]]
Engine = Callable[[], Any]
"""Runs a model once."""

PERCENTILES = (5, 50, 95)

WARM_UP_SECONDS = 0.05
"""Twice as long as threads of another session were seen to go on spinning after its last run."""


@dataclass(frozen=True)
class Latency:
    """Times of one engine, in milliseconds."""

    p5: float
    p50: float
    p95: float
    runs: int


def onnx_engine(model: onnx.ModelProto, feeds: Feeds, *, threads: int) -> Engine:
    """Return a function that runs the model once with this many threads, without regions."""
    return _engine(session(model, _options(threads), regions="off"), feeds)


def region_engine(
    model: onnx.ModelProto, feeds: Feeds, *, threads: int, regions: str
) -> tuple[Engine, RegionsReport]:
    """Return a function that runs the model once with regions, and what was claimed."""
    created, report = session_with_report(model, _options(threads), regions=regions)
    return _engine(created, feeds), report


def interleave(engines: Mapping[str, Engine], **options: Any) -> dict[str, Latency]:
    """Time engines in turn as `time_runs` does, which has the options, and summarise the times."""
    return {name: summarise(taken) for name, taken in time_runs(engines, **options).items()}


def time_runs(
    engines: Mapping[str, Engine],
    *,
    runs: int = 100,
    block: int = 20,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, list[float]]:
    """Time engines in turn, a few runs each.

    Before each block an engine runs unmeasured for a while: that fills its caches, and lets the
    worker threads of the one before it stop spinning.

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
    dict of str to list of float
        Milliseconds of each run, in order.
    """
    times: dict[str, list[float]] = {name: [] for name in engines}
    while any(len(taken) < runs for taken in times.values()):
        for name, engine in engines.items():
            _warm_up(engine)
            for _ in range(min(block, runs - len(times[name]))):
                start = time.perf_counter()
                engine()
                times[name].append((time.perf_counter() - start) * 1e3)
        progress(min(len(taken) for taken in times.values()), runs)
    return times


def isa_in_use() -> str:
    """Return the instruction set that sessions use: ``ORT_SPARSE_ISA``, or the best one."""
    return os.environ.get("ORT_SPARSE_ISA") or supported_isas()[0]


def summarise(times: Sequence[float]) -> Latency:
    """Return the percentiles of times in milliseconds, of which there is at least one."""
    low, middle, high = np.percentile(times, PERCENTILES)
    return Latency(float(low), float(middle), float(high), len(times))


def _options(threads: int) -> Any:
    options = import_onnxruntime().SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return options


def _engine(created: Any, feeds: Feeds) -> Engine:
    names = [output.name for output in created.get_outputs()]
    return lambda: dict(zip(names, created.run(names, dict(feeds)), strict=True))


def _warm_up(engine: Engine) -> None:
    end = time.perf_counter() + WARM_UP_SECONDS
    engine()
    engine()
    while time.perf_counter() < end:
        engine()
