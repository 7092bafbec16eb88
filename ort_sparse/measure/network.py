"""A network dense, sparse and with regions, measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx

from ort_sparse.errors import InvalidArgumentError, quoted
from ort_sparse.kernels import fma_peak
from ort_sparse.options import ComparisonOptions
from ort_sparse.runtime import why_no_regions
from ort_sparse.verification import compare_outputs, inputs_that_run
from ort_sparse.verification.inputs import inputs_of

from .latency import (
    Feeds,
    Latency,
    isa_in_use,
    onnx_engine,
    region_engine,
    summarise,
    time_runs,
)
from .layers import LayerTimes, time_layers

__all__ = ["Benchmark", "ModelPair", "RegionTimes", "benchmark", "check_batches"]

ANY_INPUTS = ComparisonOptions()


@dataclass(frozen=True)
class ModelPair:
    """A model in standard operators, and the same one with SparseConv1x1."""

    dense: onnx.ModelProto
    sparse: onnx.ModelProto
    plain: bool = False
    """Whether a user has the dense form: then that is what runs with regions."""


@dataclass(frozen=True)
class RegionTimes:
    """What was measured of a session with regions.

    Parameters
    ----------
    mode : {"auto", "all"}
    form : {"dense", "sparse"}
        Which form of the model ran.
    claimed, claimed_nodes : int
        Regions that the library ran, and the nodes in them.
    latency : Latency
    error : float
        Largest difference to the outputs of the dense form, relative to an output's largest value.
    """

    mode: str
    form: str
    claimed: int
    claimed_nodes: int
    latency: Latency
    error: float


@dataclass(frozen=True)
class Benchmark:
    """What was measured of a network.

    Parameters
    ----------
    threads : int
        Of each session.
    batch : int
        First size of the first input.
    isa : str
        Instruction set of the sparse kernels.
    fma_peak : float
        GFLOP/s of one core with that instruction set, measured in the same run.
    dense, sparse : Latency
    error : float
        Largest difference of the outputs, relative to an output's largest value.
    times : mapping of str to sequence of float
        Milliseconds of each run, by name of the engine.
    layers : LayerTimes, optional
    regions : RegionTimes, optional
    no_regions : str
        Why regions were not measured, though they were asked for.
    """

    threads: int
    batch: int
    isa: str
    fma_peak: float
    dense: Latency
    sparse: Latency
    error: float
    times: Mapping[str, Sequence[float]]
    layers: LayerTimes | None = None
    regions: RegionTimes | None = None
    no_regions: str = ""

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
    regions: str = "off",
    inputs: ComparisonOptions = ANY_INPUTS,
    progress: Callable[[str], None] = lambda stage: None,
) -> Benchmark:
    """Time a network dense, sparse and with regions, interleaved, and compare what they compute.

    All are sessions of this ONNX Runtime with the same number of threads, and see the same random
    input. The first two have no regions.

    Parameters
    ----------
    models : ModelPair
    threads, runs : int
        Threads of each session, measured runs of each form.
    layers : bool
        Whether to time each layer as well.
    regions : {"auto", "all", "off"}
        Which regions to claim, or not to time them; see `ort_sparse.register`.
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
    no_regions = "" if regions == "off" else why_no_regions() or ""
    if regions != "off" and not no_regions:
        form = "dense" if models.plain else "sparse"
        engines["regions"], report = region_engine(
            getattr(models, form), feeds, threads=threads, regions=regions
        )
    expected = engines["dense"]()
    errors = {name: compare_outputs(expected, engine()).error for name, engine in engines.items()}
    isa = isa_in_use()
    peak = fma_peak(isa)
    batch = _batch(feeds)
    label = f"{threads} thread(s), batch {batch}"
    taken = time_runs(
        engines,
        runs=runs,
        progress=lambda done, total: progress(f"{label}, run {done} of {total}"),
    )
    del engines  # and with them the threads of their sessions
    region_times = None
    if "regions" in taken:
        region_times = RegionTimes(
            mode=regions,
            form=form,
            claimed=report.claimed,
            claimed_nodes=report.claimed_nodes,
            latency=summarise(taken["regions"]),
            error=errors["regions"],
        )
    times = None
    if layers:
        progress(f"{label}, layers")
        times = time_layers(models.dense, models.sparse, feeds, threads=threads, runs=runs)
    return Benchmark(
        threads=threads,
        batch=batch,
        isa=isa,
        fma_peak=peak,
        dense=summarise(taken["dense"]),
        sparse=summarise(taken["sparse"]),
        error=errors["sparse"],
        times=taken,
        layers=times,
        regions=region_times,
        no_regions=no_regions,
    )


def check_batches(model: onnx.ModelProto, batches: Iterable[int], shapes: Iterable[str]) -> None:
    """Refuse to measure sizes of the batch that a model does not take.

    Parameters
    ----------
    model : onnx.ModelProto
    batches : iterable of int
    shapes : iterable of str
        Names of inputs whose whole shape is given.

    Raises
    ------
    InvalidArgumentError
        If one is not 1, and each input has a first size of its own or a shape that is given.
    """
    inputs = inputs_of(model)
    given = set(shapes)
    if any(x.shape and x.shape[0] == -1 and x.name not in given for x in inputs):
        return
    for batch in batches:
        if batch != 1:
            found = ", ".join(f"{quoted(x.name)} has {x.shape}" for x in inputs)
            raise InvalidArgumentError(
                f"batch: an input must have a first size that is open to be measured with batch "
                f"{batch}, but {found or 'the model has no inputs'}"
            )


def _batch(feeds: Feeds) -> int:
    """Return the first size of the first input."""
    shape = next(iter(feeds.values())).shape if feeds else ()
    return shape[0] if shape else 1
