"""A network in both forms, dense and sparse, measured side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import onnx

from .bench import Latency, interleave, isa_in_use, onnx_engine
from .conversion import convert_and_report, densify
from .kernels import fma_peak
from .layer_bench import LayerTimes, time_layers
from .op import DOMAIN
from .source import ModelSource, read_source
from .verification import compare_outputs, inputs_of, random_inputs

__all__ = ["Benchmark", "ModelPair", "benchmark", "model_pair"]


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


def model_pair(
    source: ModelSource,
    *,
    layers: Literal["auto", "all"] = "auto",
    progress: Callable[[str], None] = lambda stage: None,
) -> ModelPair:
    """Return the two forms of a model.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto
        A model with SparseConv1x1 is made dense. Any other is converted, and its dense form is
        the model as it was, TFLite files as tf2onnx translates them.
    layers : {"auto", "all"}
        Which layers to convert, as for `ort_sparse.convert`.
    progress : callable
        Called with a few words before each stage of the work.

    Raises
    ------
    InvalidArgumentError, InvalidModelError, UnsupportedModelError, MissingDependencyError
        As `ort_sparse.convert`.
    """
    found = read_source(source)
    if found.onnx is not None and any(node.domain == DOMAIN for node in found.onnx.graph.node):
        return ModelPair(densify(found.onnx), found.onnx)
    conversion = convert_and_report(source, layers=layers, verify=False, progress=progress)
    return ModelPair(conversion.dense, conversion.model)


def benchmark(
    models: ModelPair,
    *,
    threads: int,
    runs: int,
    layers: bool = False,
    progress: Callable[[str], None] = lambda stage: None,
) -> Benchmark:
    """Time both forms of a network, interleaved, and compare what they compute.

    Both are sessions of this ONNX Runtime with the same number of threads, and see the same
    random input, with a batch of one and other dynamic dimensions as in `verify`.

    Parameters
    ----------
    models : ModelPair
    threads, runs : int
        Threads of each session, measured runs of each form.
    layers : bool
        Whether to time each layer as well.
    progress : callable
        Called with a few words on each stage of the work.
    """
    feeds = random_inputs(inputs_of(models.sparse))
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
