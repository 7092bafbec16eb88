"""Finds the weights of layers of all kinds: constant ones, and where computed ones come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .constants import constant_array, default_array
from .microsoft import MICROSOFT

__all__ = ["BLOCKED", "LayerWeights", "Sources", "weights_of"]

BLOCKED = "com.microsoft.nchwc"
"""Domain of the convolutions that ONNX Runtime makes for activations in its blocked layout."""

_OPERANDS: dict[tuple[str, str], tuple[tuple[int, int | None], ...]] = {
    ("", "Conv"): ((1, None),),
    ("", "ConvInteger"): ((1, 3),),
    ("", "ConvTranspose"): ((1, None),),
    ("", "GRU"): ((1, None), (2, None)),
    ("", "Gemm"): ((0, None), (1, None)),
    ("", "LSTM"): ((1, None), (2, None)),
    ("", "MatMul"): ((0, None), (1, None)),
    ("", "MatMulInteger"): ((0, 2), (1, 3)),
    ("", "QLinearConv"): ((3, 5),),
    ("", "QLinearMatMul"): ((0, 2), (3, 5)),
    ("", "RNN"): ((1, None), (2, None)),
    (BLOCKED, "Conv"): ((1, None),),
    (MICROSOFT, "Attention"): ((1, None),),
    (MICROSOFT, "DynamicQuantizeMatMul"): ((1, 3),),
    (MICROSOFT, "FusedConv"): ((1, None),),
    (MICROSOFT, "FusedGemm"): ((0, None), (1, None)),
    (MICROSOFT, "FusedMatMul"): ((0, None), (1, None)),
    (MICROSOFT, "MatMulIntegerToFloat"): ((1, 5),),
    (MICROSOFT, "NhwcFusedConv"): ((1, None),),
    (MICROSOFT, "QAttention"): ((1, 7),),
    (MICROSOFT, "QGemm"): ((3, 5),),
    (MICROSOFT, "QLinearConv"): ((3, 5),),
}
"""Operators that have weights: the inputs that may hold them, each with the input that says which
number stands for zero, if there is one."""

_NEEDS_WEIGHTS = ("Conv", "ConvTranspose", "FusedConv", "FusedGemm", "Gemm")
"""Operators whose second input is weights even where a caller gives it; that of MatMul need not."""


_MOST_SOURCES = 64
"""Values that are looked at to find what weights are computed from."""


@dataclass(frozen=True)
class LayerWeights:
    """An operand of a node that holds weights.

    Parameters
    ----------
    value : onnx_ir.Value
    shape : tuple of int
        Empty where it is unknown.
    zeros : float or None
        Share of zeros, 0 to 1; None where it is unknown.
    bytes : int
        Size of the constant that holds them; 0 where it is unknown.
    computed : str or None
        Why they are not constant, in a few words.
    """

    value: ir.Value
    shape: tuple[int, ...]
    zeros: float | None
    bytes: int
    computed: str | None = None


class Sources:
    """What the values of a graph are computed from: its inputs, or constants alone.

    Parameters
    ----------
    graph : onnx_ir.Graph
        A sorted graph.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self._varying = set(graph.inputs)
        for node in graph:
            if any(value in self._varying for value in _read(node)):
                self._varying.update(node.outputs)

    def varies(self, value: ir.Value) -> bool:
        """Tell whether a value may be another in each run."""
        return value in self._varying


def weights_of(node: ir.Node, sources: Sources | None = None) -> Iterator[LayerWeights]:
    """Yield the weights of a node; none for nodes that have no weights.

    Parameters
    ----------
    node : onnx_ir.Node
    sources : Sources, optional
        Of the node's graph. Without it, only constant weights are found.
    """
    operands = _OPERANDS.get((node.domain, node.op_type), ())
    if (node.domain, node.op_type) == ("", "Einsum"):
        operands = tuple((index, None) for index in range(len(node.inputs)))
    for index, zero_index in operands:
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is None:
            continue
        zero = node.inputs[zero_index] if zero_index and zero_index < len(node.inputs) else None
        found = _constant(value, zero)
        if found is None and sources is not None:
            if not sources.varies(value):
                found = _computed(value)
            elif index == 1 and node.op_type in _NEEDS_WEIGHTS:
                found = _given(value)
        if found is not None:
            yield found


def _read(node: ir.Node) -> Iterator[ir.Value]:
    """Yield what a node and its subgraphs read."""
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            for inner in attribute.as_graph().all_nodes():
                yield from (value for value in inner.inputs if value is not None)
    yield from (value for value in node.inputs if value is not None)


def _constant(value: ir.Value, zero: ir.Value | None) -> LayerWeights | None:
    array = constant_array(value)
    if array is None or array.ndim < 2 or array.size == 0:
        return None
    return LayerWeights(
        value, tuple(array.shape), _zeros(array, constant_array(zero)), array.nbytes
    )


def _zeros(array: NDArray[Any], point: NDArray[Any] | None) -> float:
    """Return the share of numbers that stand for zero, which ``point`` says for all or each."""
    if point is not None and point.size > 1:
        point = _along_channels(point, array.shape)
    nonzero = array if point is None else array != point
    return 1 - int(np.count_nonzero(nonzero)) / array.size


def _along_channels(point: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Return one number for each output channel, in the shape of kernels or of a matrix."""
    axis = 0 if len(shape) > 2 else 1
    if point.size != shape[axis]:
        return None
    return point.reshape([-1 if index == axis else 1 for index in range(len(shape))])


def _given(value: ir.Value) -> LayerWeights:
    """Describe weights that come from a graph input; a default tells what they may be."""
    shape = _known_shape(value)
    if not value.is_graph_input():
        reason = "its weights are computed from an input of the model"
        return LayerWeights(value, shape, None, 0, reason)
    reason = f"its weights {value.name!r} are an input of the model"
    array = default_array(value)
    if array is None:
        return LayerWeights(value, shape, None, 0, reason)
    zeros = _zeros(array, None) if array.size else 0.0
    return LayerWeights(value, shape, zeros, array.nbytes, f"{reason}, with a default")


def _computed(value: ir.Value) -> LayerWeights | None:
    """Describe weights that are computed from constants by operators that are not folded here.

    Their zeros are those of the largest constant that they are computed from.
    """
    operators: dict[str, None] = {}
    found: list[tuple[int, float]] = []
    pending, seen = [value], {value}
    while pending and len(seen) < _MOST_SOURCES:
        current = pending.pop()
        array, node = constant_array(current), current.producer()
        if array is not None:
            if array.ndim >= 2 and array.size:
                found.append((array.size, _zeros(array, None)))
        elif node is not None:
            operators.setdefault(node.op_type)
            blocked = _dequantized_by_blocks(node)
            if blocked is not None:
                found.append((blocked.size, _zeros(blocked, None)))
                continue
            new = [each for each in node.inputs if each is not None and each not in seen]
            seen.update(new)
            pending.extend(new)
    if not found:
        return None
    reason = f"its weights are the result of {', '.join(list(operators)[::-1])}, not a constant"
    if operators.keys() == {"DequantizeLinear"}:
        reason = "its weights are dequantized by blocks"
    return LayerWeights(value, _known_shape(value), max(found)[1], 0, reason)


def _dequantized_by_blocks(node: ir.Node) -> NDArray[Any] | None:
    """Return constant weights that have a scale for each block, as differences from their zeros."""
    if (node.domain, node.op_type) != ("", "DequantizeLinear"):
        return None
    array = constant_array(node.inputs[0])
    block = node.attributes.get_int("block_size", 0)
    if array is None or array.ndim < 2 or array.size == 0 or block < 1:
        return None
    zero = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
    if zero is None:
        return array
    axis = node.attributes.get_int("axis", 1) % array.ndim
    size = array.shape[axis]
    blocks = [*array.shape]
    blocks[axis] = -(-size // block)
    if zero.shape != tuple(blocks):
        return None
    numbers = np.repeat(zero, min(block, size), axis).take(np.arange(size), axis)
    return array.astype(np.int64) - numbers.astype(np.int64)


def _known_shape(value: ir.Value) -> tuple[int, ...]:
    shape = value.shape or ()
    return tuple(size for size in shape if isinstance(size, int)) if _is_static(shape) else ()


def _is_static(shape: Iterable[int | ir.SymbolicDim]) -> bool:
    return all(isinstance(size, int) for size in shape)
