"""Finds layers with many zeros that cannot become SparseConv1x1, and says why."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from .microsoft import MICROSOFT
from .pointwise import match_pointwise, why_not_pointwise
from .weights import BLOCKED, LayerWeights, Sources, weights_of

__all__ = ["OtherLayer", "find_other_layers"]

_STANDARD_FORMS = ("FusedConv", "FusedGemm", "FusedMatMul")
"""Operators of ONNX Runtime whose rules are those of the standard ones."""


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
        Of the weights; empty where it is unknown.
    zeros : float or None
        Share of zeros in the weights, 0 to 1; None where the weights come from an input.
    bytes : int
        Size of the weights; 0 where it is unknown.
    reason : str
        Why it cannot be sparse, in a few words.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    zeros: float | None
    bytes: int
    reason: str


def find_other_layers(model: ir.Model, *, min_sparsity: float) -> list[OtherLayer]:
    """Return the layers with at least this share of zeros that cannot become SparseConv1x1.

    Layers whose weights come from an input, so that nobody knows their zeros, are among them.

    Parameters
    ----------
    model : onnx_ir.Model
        A sorted model with inferred shapes, before or after `sparsify`.
    min_sparsity : float
        Share of zeros, 0 to 1.
    """
    found = []
    sources = Sources(model.graph)
    for graph in model.graphs():
        is_main = graph is model.graph
        for node in graph:
            if is_main and match_pointwise(node) is not None:
                continue
            for weights in weights_of(node, sources if is_main else None):
                if weights.zeros is None or weights.zeros >= min_sparsity:
                    reason = _reason(node, weights) if is_main else "lies in a subgraph"
                    found.append(_describe(node, weights, reason))
    return found


def _describe(node: ir.Node, weights: LayerWeights, reason: str) -> OtherLayer:
    return OtherLayer(
        name=node.name or "",
        kind=node.op_type,
        shape=weights.shape,
        zeros=weights.zeros,
        bytes=weights.bytes,
        reason=reason,
    )


def _reason(node: ir.Node, weights: LayerWeights) -> str:
    if node.domain == BLOCKED:
        return (
            "ONNX Runtime has put it into its blocked layout (com.microsoft.nchwc); "
            "convert the original model"
        )
    if node.op_type in _QUANTIZED:
        return "its activations are quantized"
    if node.domain == MICROSOFT and node.op_type not in _STANDARD_FORMS:
        return f"ONNX Runtime has fused it into {node.op_type}; convert the original model"
    return weights.computed or why_not_pointwise(node) or "has a sparse form"


_QUANTIZED = (
    "ConvInteger",
    "DynamicQuantizeMatMul",
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "QAttention",
    "QGemm",
    "QLinearConv",
    "QLinearMatMul",
)
"""Operators that multiply activations of 8 bits."""
