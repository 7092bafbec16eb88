"""Recognises the nodes that are pointwise linear maps with constant weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ort_sparse.bcsr import MAX_CELLS, MAX_COLUMNS
from ort_sparse.op import MAX_RANK

from .constants import constant_array, per_channel

__all__ = ["PointwiseLayer", "is_quantized", "known_product", "match_pointwise"]


@dataclass(frozen=True, eq=False)
class PointwiseLayer:
    """A node that maps the channels of each position by one constant matrix.

    Parameters
    ----------
    node : onnx_ir.Node
    x : onnx_ir.Value
        Its input, with channels along axis 1, or along the last axis if ``channels_last``.
    source : onnx_ir.Value
        The operand of the node that the weights come from.
    weights : ndarray, shape (output channels, input channels / groups), float32
    bias : ndarray, shape (output channels,), float32, optional
    groups : int
    strides : tuple of int
    channels_last : bool
    """

    node: ir.Node
    x: ir.Value
    source: ir.Value
    weights: NDArray[Any]
    bias: NDArray[Any] | None = None
    groups: int = 1
    strides: tuple[int, ...] = ()
    channels_last: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Output channels and input channels of all groups."""
        rows, columns = self.weights.shape
        return rows, columns * self.groups

    @property
    def zeros(self) -> float:
        """Share of zeros in the stored weights."""
        return 1 - int(np.count_nonzero(self.weights)) / self.weights.size

    @property
    def positions(self) -> int | None:
        """Output positions for each item of the batch; None where a size is unknown."""
        shape = self.node.outputs[0].shape
        if shape is None:
            return None
        return known_product(shape[1:-1] if self.channels_last else shape[2:])


def known_product(sizes: Sequence[int | ir.SymbolicDim]) -> int | None:
    """Return the product of dimensions; None where one is unknown."""
    known = [size for size in sizes if isinstance(size, int)]
    return math.prod(known) if len(known) == len(sizes) else None


def match_pointwise(node: ir.Node) -> PointwiseLayer | None:
    """Return the layer that ``node`` is, or None.

    Accepted are Conv with a kernel of ones and no padding, Gemm without transposed input, and
    MatMul with a constant matrix on the right of an input of rank 2 to 5, or on the left of one of
    rank 3; all with float32 weights, no bias or a constant one for each channel, and an input that
    is not quantized.
    """
    matcher = _MATCHERS.get(node.op_type) if node.domain == "" else None
    layer = matcher(node) if matcher is not None else None
    if layer is None or layer.weights.size == 0 or is_quantized(layer.x):
        return None
    rows, columns = layer.shape
    return layer if columns <= MAX_COLUMNS and rows * columns <= MAX_CELLS else None


def is_quantized(x: ir.Value) -> bool:
    """Tell whether ONNX Runtime knows ``x`` in 8 bits, and multiplies it as such."""
    producer = x.producer()
    return producer is not None and producer.op_type == "DequantizeLinear"


def _match_conv(node: ir.Node) -> PointwiseLayer | None:
    x, source = node.inputs[:2]
    weights = _float32(source)
    if x is None or source is None or weights is None or not 3 <= weights.ndim <= MAX_RANK:
        return None
    if math.prod(weights.shape[2:]) != 1 or any(node.attributes.get_ints("pads", ())):
        return None
    groups = node.attributes.get_int("group", 1)
    rows = weights.shape[0]
    if groups < 1 or rows % groups:
        return None
    bias_value = node.inputs[2] if len(node.inputs) > 2 else None
    bias = _float32(bias_value)
    if bias_value is not None and (bias is None or bias.shape != (rows,)):
        return None
    return PointwiseLayer(
        node=node,
        x=x,
        source=source,
        weights=weights.reshape(weights.shape[:2]),
        bias=bias,
        groups=groups,
        strides=tuple(node.attributes.get_ints("strides", ())),
    )


def _match_gemm(node: ir.Node) -> PointwiseLayer | None:
    x, source = node.inputs[:2]
    weights = _float32(source)
    if x is None or source is None or weights is None or weights.ndim != 2:
        return None
    if node.attributes.get_int("transA", 0):
        return None
    if not node.attributes.get_int("transB", 0):
        weights = weights.T
    bias_value = node.inputs[2] if len(node.inputs) > 2 else None
    bias = _float32(bias_value)
    if bias is not None:
        bias = per_channel(bias, weights.shape[0], ir.Shape((None, None)), 1)
    if bias_value is not None and bias is None:
        return None
    alpha = np.float32(node.attributes.get_float("alpha", 1.0))
    beta = np.float32(node.attributes.get_float("beta", 1.0))
    return PointwiseLayer(
        node=node,
        x=x,
        source=source,
        weights=weights if alpha == 1 else weights * alpha,
        bias=bias if bias is None or beta == 1 else bias * beta,
    )


def _match_matmul(node: ir.Node) -> PointwiseLayer | None:
    left, right = node.inputs
    if left is None or right is None:
        return None
    weights = _float32(right)
    if weights is not None:
        rank = 0 if left.shape is None else len(left.shape)
        if weights.ndim != 2 or not 2 <= rank <= MAX_RANK:
            return None
        return PointwiseLayer(
            node=node, x=left, source=right, weights=weights.T, channels_last=rank > 2
        )
    weights = _float32(left)
    if weights is None or weights.ndim != 2 or right.shape is None or len(right.shape) != 3:
        return None
    return PointwiseLayer(node=node, x=right, source=left, weights=weights)


_MATCHERS: dict[str, Callable[[ir.Node], PointwiseLayer | None]] = {
    "Conv": _match_conv,
    "Gemm": _match_gemm,
    "MatMul": _match_matmul,
}


def _float32(value: ir.Value | None) -> NDArray[Any] | None:
    """Return the array of a float32 constant; None for everything else."""
    array = constant_array(value)
    return array if array is not None and array.dtype == np.float32 else None
