"""``ort-sparse demo``: the whole way from a pruned network to faster inference, on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import zoo
from .conversion import convert_and_report
from .measure.network import Benchmark, ModelPair, benchmark
from .verification import Comparison

__all__ = ["Demo", "run_demo"]


@dataclass(frozen=True)
class Demo:
    """What a demo found."""

    comparison: Comparison
    """How far the converted network is from LiteRT's builtin kernels."""
    sizes: dict[str, int]
    """Bytes of each form of the network."""
    sparse_layers: int
    times: Benchmark


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
    assert conversion.comparison is not None  # a TFLite model was verified
    models = ModelPair(conversion.dense, conversion.model)
    return Demo(
        comparison=conversion.comparison,
        sizes={
            "sparse TFLite": len(tflite),
            "dense ONNX": models.dense.ByteSize(),
            "sparse ONNX": models.sparse.ByteSize(),
        },
        sparse_layers=conversion.replaced,
        times=benchmark(models, threads=threads, runs=runs, regions="auto", progress=progress),
    )
