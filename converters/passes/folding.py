"""Computes the nodes that exporters leave between a stored constant and its user."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

__all__ = ["fold"]

Arrays = Sequence[NDArray[Any]]


def fold(node: ir.Node, inputs: Arrays) -> Arrays | None:
    """Return the outputs of ``node`` for constant ``inputs``, or None if it cannot be folded.

    The operators that can be folded are reshaping, casting to a float type and quantizing ones, and
    the product with a mask. None makes an array of more elements than it is given.
    """
    function = _FUNCTIONS.get(node.op_type) if node.domain == "" else None
    return function(node, inputs) if function is not None else None


def _identity(node: ir.Node, inputs: Arrays) -> Arrays:
    return inputs


def _cast(node: ir.Node, inputs: Arrays) -> Arrays | None:
    to = ir.DataType(node.attributes["to"].as_int())
    return [inputs[0].astype(to.numpy())] if to.is_floating_point() else None


def _transpose(node: ir.Node, inputs: Arrays) -> Arrays:
    return [inputs[0].transpose(node.attributes.get_ints("perm", None))]


def _reshape(node: ir.Node, inputs: Arrays) -> Arrays:
    array = inputs[0]  # the shape was an attribute before opset 5
    shape = inputs[1] if len(inputs) > 1 else node.attributes.get_ints("shape")
    sizes = [int(size) for size in shape]
    if not node.attributes.get_int("allowzero", 0):
        sizes = [size or array.shape[axis] for axis, size in enumerate(sizes)]
    return [array.reshape(sizes)]


def _flatten(node: ir.Node, inputs: Arrays) -> Arrays:
    (array,) = inputs
    axis = node.attributes.get_int("axis", 1)
    axis += array.ndim if axis < 0 else 0
    return [array.reshape(math.prod(array.shape[:axis]), math.prod(array.shape[axis:]))]


def _squeeze(node: ir.Node, inputs: Arrays) -> Arrays:
    return [inputs[0].squeeze(_axes(node, inputs))]


def _unsqueeze(node: ir.Node, inputs: Arrays) -> Arrays:
    return [np.expand_dims(inputs[0], _axes(node, inputs) or ())]


def _mul(node: ir.Node, inputs: Arrays) -> Arrays | None:
    """Multiply, as masks of pruned weights are applied, unless that makes a larger array."""
    a, b = inputs
    if math.prod(np.broadcast_shapes(a.shape, b.shape)) > max(a.size, b.size):
        return None
    return [np.multiply(a, b)]


def _axes(node: ir.Node, inputs: Arrays) -> tuple[int, ...] | None:
    """Return the axes, which were an attribute before opset 13 and are an input since."""
    axes = inputs[1] if len(inputs) > 1 else node.attributes.get_ints("axes", None)
    return None if axes is None else tuple(int(axis) for axis in axes)


def _dequantize_linear(node: ir.Node, inputs: Arrays) -> Arrays | None:
    """Compute (x - zero_point) * scale, with one scale for the tensor or for each slice."""
    x, scale = inputs[:2]
    zero_point = inputs[2] if len(inputs) > 2 else np.zeros_like(scale, x.dtype)
    blocked = node.attributes.get_int("block_size", 0) or scale.ndim > 1
    if blocked or "output_dtype" in node.attributes or not _is_integer(x):
        return None
    if scale.size > 1:
        axis = node.attributes.get_int("axis", 1) % x.ndim
        slices = [-1 if i == axis else 1 for i in range(x.ndim)]
        scale, zero_point = scale.reshape(slices), zero_point.reshape(slices)
    difference = x.astype(np.int64) - zero_point.astype(np.int64)
    return [difference.astype(scale.dtype) * scale]


def _dynamic_quantize_linear(node: ir.Node, inputs: Arrays) -> Arrays:
    """Quantize to uint8 over the range of the array, with zero in the range."""
    (x,) = inputs
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    scale = (high - low) / np.float32(255) if high > low else np.float32(1)
    zero_point = np.clip(np.rint(-low / scale), 0, 255)
    y = np.clip(np.rint(x / scale) + zero_point, 0, 255)
    return [y.astype(np.uint8), np.asarray(scale), zero_point.astype(np.uint8)]


def _is_integer(array: NDArray[Any]) -> bool:
    return ir.DataType.from_numpy(array.dtype).is_integer()


_FUNCTIONS: dict[str, Callable[[ir.Node, Arrays], Arrays | None]] = {
    "Cast": _cast,
    "DequantizeLinear": _dequantize_linear,
    "DynamicQuantizeLinear": _dynamic_quantize_linear,
    "Flatten": _flatten,
    "Identity": _identity,
    "Mul": _mul,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
