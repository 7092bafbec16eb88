"""A network in both forms, dense and sparse, measured side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from ort_sparse.kernels import fma_peak
from ort_sparse.options import ComparisonOptions
from ort_sparse.verification import compare_outputs, inputs_that_run

from .latency import Latency, interleave, isa_in_use, onnx_engine
from .layers import LayerTimes, time_layers

__all__ = ["Benchmark", "ModelPair", "benchmark"]

ANY_INPUTS = ComparisonOptions()


@dataclass(frozen=True)
class ModelPair:
    """A model in standard operators, and the same one with SparseConv1x1."""

    dense: onnx.ModelProto
    sparse: onnx.ModelProto


@dataclass(frozen=True)
class Benchmark:
    """What was measured of a network.

    Parameters
    ----------
    threads : int
        Of each session.
    isa : str
        Instruction set of the sparse kernels.
    fma_peak : float
        GFLOP/s of one core with that instruction set, measured in the same run.
    dense, sparse : Latency
    error : float
        Largest difference of the outputs, relative to an output's largest value.
    layers : LayerTimes, optional
    """

    threads: int
    isa: str
    fma_peak: float
    dense: Latency
    sparse: Latency
    error: float
    layers: LayerTimes | None = None

    @property
    def all_cores_peak(self) -> float:
        """GFLOP/s of as many cores as there are threads."""
        return self.fma_peak * self.threads

    @property
    def speed_up(self) -> float:
        """How many times faster the median of the sparse runs is."""
        return self.dense.p50 / self.sparse.p50


def benchmark(
    models: ModelPair,
    *,
    threads: int,
    runs: int,
    layers: bool = False,
    inputs: ComparisonOptions = ANY_INPUTS,
    progress: Callable[[str], None] = lambda stage: None,
) -> Benchmark:
    """Time both forms of a network, interleaved, and compare what they compute.

    Both are sessions of this ONNX Runtime with the same number of threads, and see the same
    random input.

    Parameters
    ----------
    models : ModelPair
    threads, runs : int
        Threads of each session, measured runs of each form.
    layers : bool
        Whether to time each layer as well.
    inputs : ComparisonOptions
        Which random input: its seed, batch and shapes, as for `ort_sparse.verify`.
    progress : callable
        Called with a few words on each stage of the work.
    """
    feeds = inputs_that_run(models.dense, inputs)
    engines = {
        "dense": onnx_engine(models.dense, feeds, threads=threads),
        "sparse": onnx_engine(models.sparse, feeds, threads=threads),
    }
    comparison = compare_outputs(engines["dense"](), engines["sparse"]())
    isa = isa_in_use()
    peak = fma_peak(isa)
    latencies = interleave(
        engines,
        runs=runs,
        progress=lambda done, total: progress(f"{threads} thread(s), run {done} of {total}"),
    )
    del engines  # and with them the threads of their sessions
    times = None
    if layers:
        progress(f"{threads} thread(s), layers")
        times = time_layers(models.dense, models.sparse, feeds, threads=threads, runs=runs)
    return Benchmark(
        threads=threads, isa=isa, fma_peak=peak, error=comparison.error, layers=times, **latencies
    )
