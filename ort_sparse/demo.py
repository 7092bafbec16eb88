"""``ort-sparse demo``: the whole way from a pruned network to faster inference, on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnxruntime

from . import zoo
from .bench import Latency, interleave, onnx_engine
from .conversion import convert_and_report, densify
from .kernels import supported_isas
from .verification import Comparison, inputs_of, random_inputs

__all__ = ["Demo", "run_demo"]

DENSE = f"onnxruntime {onnxruntime.__version__} dense"
SPARSE = f"onnxruntime {onnxruntime.__version__} + ort_sparse"


@dataclass(frozen=True)
class Demo:
    """What a demo found."""

    comparison: Comparison
    sizes: dict[str, int]
    sparse_layers: int
    latencies: dict[str, Latency]
    baseline: str
    isa: str


def run_demo(
    network: str,
    *,
    resolution: int | None,
    threads: int,
    runs: int,
    progress: Callable[[str], None],
) -> Demo:
    """Build, convert, verify and time a network of the zoo.

    Raises
    ------
    VerificationError
        If the converted network does not give LiteRT's numbers.
    InvalidArgumentError
        If the zoo has no such network.
    MissingDependencyError
        If the extra ``tflite`` is not installed.
    """
    progress(f"building {network} with the TensorFlow converter")
    tflite = zoo.build(network, resolution=resolution)
    conversion = convert_and_report(tflite, progress=progress)
    dense = densify(conversion.model)
    assert conversion.comparison is not None
    progress("timing")
    feeds = random_inputs(inputs_of(conversion.model))
    latencies = interleave(
        {
            DENSE: onnx_engine(dense, feeds, threads=threads),
            SPARSE: onnx_engine(conversion.model, feeds, threads=threads),
        },
        runs=runs,
    )
    return Demo(
        comparison=conversion.comparison,
        sizes={
            "sparse TFLite": len(tflite),
            "dense ONNX": dense.ByteSize(),
            "sparse ONNX": conversion.model.ByteSize(),
        },
        sparse_layers=conversion.replaced,
        latencies=latencies,
        baseline=DENSE,
        isa=supported_isas()[0],
    )
