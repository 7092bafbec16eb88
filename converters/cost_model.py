"""What a pointwise layer costs inside ONNX Runtime, dense and sparse, in microseconds.

The reference machine is an AVX-512 server (EPYC 9005, 4.2 GHz, 48 KiB of L1 and 1 MiB of L2); a
cost is the mean of the times with one and with two threads. Each is a sum of amounts of work times
constants; `benchmarks/fit_cost_model.py` measures layers of real networks inside their networks and
prints the constants. What decides is the ratio of two costs, which differs much less from machine
to machine than the costs do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "DENSE",
    "DENSE_PIXEL",
    "REFERENCE_MACHINE",
    "REORDER",
    "SPARSE",
    "SPARSE_PIXEL",
    "LayerWork",
    "dense_microseconds",
    "dense_terms",
    "reorder_microseconds",
    "reorder_terms",
    "sparse_microseconds",
    "sparse_terms",
]

REFERENCE_MACHINE = "a server with AVX-512 (EPYC 9005 at 4.2 GHz)"
"""Whose microseconds are predicted."""

LANES = 16
"""Floats in a vector, and channels in a block of ONNX Runtime's blocked layout."""

CACHED_OUTPUT = 400_000
"""Output values that the L2 takes at the pace of the kernels."""

CACHED_TENSOR = 130_000
"""The same for a change of layout, which reads and writes."""

CHEAP_ACTIVATIONS = ("none", "clip", "leaky_relu", "prelu")
"""Activations that cost nothing beside the rest."""

EXTRA_ACTIVATIONS = ("hard_swish", "silu", "sigmoid")
"""Activations that take more than an instruction or two, and that ONNX Runtime may run apart."""

# Microseconds for a thousand of each kind of work; "start" is for the layer as a whole.
DENSE = {
    "start": 0.149,
    "multiply-adds": 0.00614,
    "weights": 0.0868,
    "inputs and outputs": 0.0279,
    "uncached outputs": 0.0464,
    "activations": 0.117,
}
DENSE_PIXEL = {
    "start": 5.49,
    "weights": 0.102,
}
SPARSE = {
    "start": 2.04,
    "vectors of blocks of 1": 0.163,
    "vectors of blocks of 2": 0.163,
    "vectors of blocks of 4": 0.199,
    "nonzeros": 0.203,
    "input vectors": 0.747,
    "output vectors": 0.284,
    "uncached outputs": 0.0477,
    "activation vectors": 1.34,
}
SPARSE_PIXEL = {
    "start": 5.03,
    "nonzeros": 0.088,
    "weights": 0.0191,
    "inputs and outputs": 1.36,
}
REORDER = {
    "start": 2.14,
    "elements": 0.037,
    "uncached elements": 0.0424,
}


@dataclass(frozen=True)
class LayerWork:
    """The size of a layer.

    Parameters
    ----------
    rows, columns : int
        Output and input channels.
    pixels : int
        Output positions of one image.
    nonzeros : int
        Stored values of the block-CSR weights.
    block_rows : int
    activation : str
        As in `ort_sparse.op.ACTIVATIONS`.
    groups : int
        Groups of the dense convolution.
    """

    rows: int
    columns: int
    pixels: int
    nonzeros: int
    block_rows: int
    activation: str = "none"
    groups: int = 1


def dense_microseconds(work: LayerWork) -> float:
    """Return the cost of the layer as ONNX Runtime's Conv or Gemm with its activation."""
    return _sum(dense_terms(work), DENSE if work.pixels > 1 else DENSE_PIXEL)


def sparse_microseconds(work: LayerWork) -> float:
    """Return the cost of the layer as SparseConv1x1; each nonzero adds to it."""
    return _sum(sparse_terms(work), SPARSE if work.pixels > 1 else SPARSE_PIXEL)


def reorder_microseconds(elements: int) -> float:
    """Return the cost of changing the layout of a tensor, a ReorderInput or ReorderOutput."""
    return _sum(reorder_terms(elements), REORDER)


def dense_terms(work: LayerWork) -> dict[str, float]:
    """Return the amounts of work of the dense layer, in thousands."""
    group_columns = work.columns // work.groups
    weights = work.rows * group_columns
    if work.pixels == 1:
        return {"start": 1, "weights": weights / 1e3}
    outputs = work.rows * work.pixels
    padded = _round_up(work.rows) * _round_up(group_columns)
    return {
        "start": 1,
        "multiply-adds": padded * work.pixels / 1e3,
        "weights": weights / 1e3,
        "inputs and outputs": (work.rows + work.columns) * work.pixels / 1e3,
        "uncached outputs": max(0, outputs - CACHED_OUTPUT) / 1e3,
        "activations": outputs / 1e3 if work.activation in EXTRA_ACTIVATIONS else 0,
    }


def sparse_terms(work: LayerWork) -> dict[str, float]:
    """Return the amounts of work of the sparse layer, in thousands."""
    nonzeros = work.nonzeros / 1e3
    if work.pixels == 1:
        return {
            "start": 1,
            "nonzeros": nonzeros,
            "weights": work.rows * work.columns / 1e3,
            "inputs and outputs": (work.rows + work.columns) / 1e3,
        }
    vectors = _round_up(work.pixels) // LANES
    outputs = work.rows * vectors / 1e3
    height = max(b for b in (1, 2, 4) if b <= work.block_rows)
    return {
        "start": 1,
        f"vectors of blocks of {height}": nonzeros * vectors,
        "nonzeros": nonzeros,
        "input vectors": work.columns * vectors / 1e3,
        "output vectors": outputs,
        "uncached outputs": max(0, work.rows * work.pixels - CACHED_OUTPUT) / 1e3,
        "activation vectors": outputs if work.activation in EXTRA_ACTIVATIONS else 0,
    }


def reorder_terms(elements: int) -> dict[str, float]:
    """Return the amounts of work of a change of layout, in thousands."""
    return {
        "start": 1,
        "elements": elements / 1e3,
        "uncached elements": max(0, elements - CACHED_TENSOR) / 1e3,
    }


def _sum(terms: Mapping[str, float], constants: Mapping[str, float]) -> float:
    return sum(amount * constants[name] for name, amount in terms.items())


def _round_up(size: int) -> int:
    return -(-size // LANES) * LANES
