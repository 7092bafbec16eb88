"""Finds layers with many zeros that cannot become SparseConv1x1, and says why."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .constants import constant_array
from .pointwise import is_quantized, match_pointwise

__all__ = ["OtherLayer", "find_other_layers"]

_OPERATORS = ("Conv", "ConvTranspose", "GRU", "Gemm", "LSTM", "MatMul", "RNN")
"""Operators that have weights, among the first three of their inputs."""


@dataclass(frozen=True)
class OtherLayer:
    """A layer that has many zeros and stays dense all the same.

    Parameters
    ----------
    name : str
        Name of the node.
    kind : str
        Its operator.
    shape : tuple of int
        Of the weights.
    zeros : float
        Share of zeros in the weights, 0 to 1.
    bytes : int
        Size of the weights.
    reason : str
        Why it cannot be sparse, in a few words.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    zeros: float
    bytes: int
    reason: str


def find_other_layers(model: ir.Model, *, min_sparsity: float) -> list[OtherLayer]:
    """Return the layers with at least this share of zeros that cannot become SparseConv1x1.

    Parameters
    ----------
    model : onnx_ir.Model
        A model with inferred shapes, before or after `sparsify`.
    min_sparsity : float
        Share of zeros, 0 to 1.
    """
    found = []
    for graph in model.graphs():
        is_main = graph is model.graph
        for node in graph:
            if is_main and match_pointwise(node) is not None:
                continue
            for weights in _weights(node):
                zeros = 1 - int(np.count_nonzero(weights)) / weights.size
                if zeros >= min_sparsity:
                    reason = _reason(node, weights) if is_main else "lies in a subgraph"
                    found.append(_describe(node, weights, zeros, reason))
    return found


def _weights(node: ir.Node) -> Iterator[NDArray[Any]]:
    """Yield the constant weights of a node."""
    if node.domain != "" or node.op_type not in _OPERATORS:
        return
    for value in node.inputs[:3]:
        array = constant_array(value)
        if array is not None and array.ndim >= 2 and array.size > 0:
            yield array


def _describe(node: ir.Node, weights: NDArray[Any], zeros: float, reason: str) -> OtherLayer:
    return OtherLayer(
        name=node.name or "",
        kind=node.op_type,
        shape=tuple(weights.shape),
        zeros=zeros,
        bytes=weights.nbytes,
        reason=reason,
    )


def _reason(node: ir.Node, weights: NDArray[Any]) -> str:
    if node.op_type not in ("Conv", "Gemm", "MatMul"):
        return f"{node.op_type} has no sparse form"
    if weights.dtype != np.float32:
        return f"its weights are {weights.dtype}"
    if any(value is not None and is_quantized(value) for value in node.inputs[:1]):
        return "its activations are quantized"
    if any(value is not None and value.shape is None for value in node.inputs):
        return "the rank of its input is unknown"
    if node.op_type != "Conv":
        return "its other inputs have not the form of channels and their bias"
    kernel = weights.shape[2:]
    if math.prod(kernel) == 1:
        return "is padded, has a computed bias, or too many channels"
    form = "depthwise" if weights.shape[1] == 1 else "kernel"
    return f"{form} {'x'.join(map(str, kernel))}, but only 1x1 has a sparse form"
