"""Choosing between dense and sparse layers by measuring both on this machine."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from ort_sparse.converters.passes import (
    LayerChoice,
    LayerCost,
    choose_layers,
    predict_choices,
    sparsify,
    to_model_proto,
)
from ort_sparse.options import ComparisonOptions
from ort_sparse.verification import inputs_that_run

from .latency import Feeds, interleave, onnx_engine
from .layers import time_layers

__all__ = ["cpu_name", "tune"]

ANY_INPUTS = ComparisonOptions()

RUNS = 30
THREADS = 1

MARGIN = 1.02
"""How much faster than the dense model a form must be to count as faster."""


def tune(
    model: ir.Model,
    *,
    min_sparsity: float,
    block_rows: int | None,
    inputs: ComparisonOptions = ANY_INPUTS,
    progress: Callable[[str], None] = lambda stage: None,
) -> dict[str, LayerChoice]:
    """Choose the pointwise layers that run faster sparse in this ONNX Runtime, with one thread.

    Each layer is timed dense and sparse inside the model. Then whole models are timed: dense, all
    layers sparse, the choice that follows from the layers' times, and that of the cost model. The
    fastest is taken. One random input serves all of it.

    Parameters
    ----------
    model : onnx_ir.Model
        A model that runs, of standard operators or with SparseConv1x1; it is left as it is.
    min_sparsity, block_rows
        As for `ort_sparse.converters.passes.sparsify`.
    inputs : ComparisonOptions
        Which random input: its seed, batch and shapes.
    progress : callable
        Called with a few words before each stage of the work.

    Returns
    -------
    dict of str to LayerChoice
        By name of the layer's node, for `ort_sparse.converters.passes.sparsify`.
    """
    options: dict[str, Any] = {"min_sparsity": min_sparsity, "block_rows": block_rows}
    everything = model.clone()
    reports = sparsify(everything, layers="all", **options)
    candidates = {report.name for report in reports if report.replaced}
    if not candidates:
        return {}
    dense, sparse = to_model_proto(model), to_model_proto(everything)
    feeds = inputs_that_run(dense, inputs)
    progress(f"measuring {len(candidates)} layers")
    costs = _measured_costs(dense, sparse, feeds)
    measured = choose_layers(everything.graph, costs, candidates=candidates, source="measured")
    predicted = predict_choices(model, **options)
    choices = {
        "dense": {name: replace(choice, sparse=False) for name, choice in measured.items()},
        "sparse": {name: replace(choice, sparse=True) for name, choice in measured.items()},
        "measured": measured,
        "predicted": {
            name: replace(choice, sparse=predicted[name].sparse)
            for name, choice in measured.items()
        },
    }
    models = {"dense": dense, "sparse": sparse}
    for form in ("measured", "predicted"):
        if choices[form] not in [choices[other] for other in models]:
            changed = model.clone()
            sparsify(changed, layers=choices[form], **options)
            models[form] = to_model_proto(changed)
    progress(f"measuring {len(models)} forms of the whole model")
    return choices[_fastest(models, feeds)]


def cpu_name() -> str:
    """Return what this machine's processor calls itself, or its architecture."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.is_file() else ():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _measured_costs(
    dense: onnx.ModelProto, sparse: onnx.ModelProto, feeds: Feeds
) -> dict[str, LayerCost]:
    times = time_layers(dense, sparse, feeds, threads=THREADS, runs=RUNS)
    return {
        layer.name: LayerCost(layer.dense_microseconds, layer.microseconds)
        for layer in times.layers
        if layer.dense_microseconds is not None
    }


def _fastest(models: Mapping[str, onnx.ModelProto], feeds: Feeds) -> str:
    engines = {name: onnx_engine(m, feeds, threads=THREADS) for name, m in models.items()}
    medians = {name: latency.p50 for name, latency in interleave(engines, runs=RUNS).items()}
    best = min(medians, key=lambda name: medians[name])
    return best if medians[best] * MARGIN <= medians["dense"] else "dense"
