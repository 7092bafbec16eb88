"""Recognises the nodes that are pointwise linear maps with constant weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ort_sparse.bcsr import MAX_CELLS, MAX_COLUMNS
from ort_sparse.op import MAX_RANK, Activation

from .constants import constant_array, per_channel
from .fused_activation import Follower, UnknownActivationError, fused_activation
from .microsoft import BATCH_TRANSPOSITIONS, MICROSOFT, microsoft_op
from .rearrangement import Rearrangement, left_product, right_product

__all__ = [
    "PointwiseLayer",
    "is_quantized",
    "known_product",
    "match_pointwise",
    "why_not_pointwise",
]


@dataclass(frozen=True, eq=False)
class PointwiseLayer:
    """A node that maps the channels of each position by one constant matrix.

    Parameters
    ----------
    node : onnx_ir.Node
    x : onnx_ir.Value
        Its input.
    source : onnx_ir.Value
        The operand of the node that the weights come from.
    weights : ndarray, shape (output channels, input channels / groups), float32
    bias : ndarray, shape (output channels,), float32, optional
    groups : int
    strides : tuple of int
    order : Rearrangement
        How the input comes to have its channels along axis 1, and the result the axes it has.
    residual : onnx_ir.Value, optional
        What the node adds to the result, before the activation.
    activation : Activation
        What the node applies at its end.
    follower : Follower, optional
        The same, where it is no activation of SparseConv1x1.
    """

    node: ir.Node
    x: ir.Value
    source: ir.Value
    weights: NDArray[Any]
    bias: NDArray[Any] | None = None
    groups: int = 1
    strides: tuple[int, ...] = ()
    order: Rearrangement = field(default_factory=Rearrangement)
    residual: ir.Value | None = None
    activation: Activation = field(default_factory=Activation)
    follower: Follower | None = None

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
        axes = self.order.pixel_axes
        return known_product(shape[2:] if axes is None else [shape[axis] for axis in axes])


def known_product(sizes: Sequence[int | ir.SymbolicDim]) -> int | None:
    """Return the product of dimensions; None where one is unknown."""
    known = [size for size in sizes if isinstance(size, int)]
    return math.prod(known) if len(known) == len(sizes) else None


class _NotPointwiseError(Exception):
    """Why a node is no pointwise layer, in a few words."""


def match_pointwise(node: ir.Node) -> PointwiseLayer | None:
    """Return the layer that ``node`` is, or None.

    Accepted are Conv with a kernel of ones and no padding, Gemm without transposed input, and
    MatMul with a constant matrix on the right of an input of rank 2 to 5, or on the left of one of
    rank 2 or 3; all with float32 weights, no bias or a constant one for each channel, and an input
    that is not quantized. ONNX Runtime's FusedConv, FusedGemm and FusedMatMul count like these.
    """
    try:
        return _match(node)
    except _NotPointwiseError:
        return None


def why_not_pointwise(node: ir.Node) -> str | None:
    """Return why ``node`` is not a pointwise layer, in a few words; None if it is one."""
    try:
        _match(node)
    except _NotPointwiseError as reason:
        return str(reason)
    return None


def is_quantized(x: ir.Value) -> bool:
    """Tell whether ONNX Runtime knows ``x`` in 8 bits, and multiplies it as such."""
    producer = x.producer()
    return producer is not None and producer.op_type == "DequantizeLinear"


def _match(node: ir.Node) -> PointwiseLayer:
    matcher = _MATCHERS.get((node.domain, node.op_type))
    _require(matcher is not None, f"{node.op_type} has no sparse form")
    assert matcher is not None
    is_sound = node.domain != MICROSOFT or microsoft_op(node) is not None
    _require(is_sound, f"it has not the inputs and attributes of {node.op_type}")
    layer = matcher(node)
    rows, columns = layer.shape
    _require(layer.weights.size > 0, "its weights are empty")
    _require(columns <= MAX_COLUMNS, f"has more than {MAX_COLUMNS} input channels")
    _require(rows * columns <= MAX_CELLS, f"its matrix has more than {MAX_CELLS} cells")
    _require(not is_quantized(layer.x), "its activations are quantized")
    return layer


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _NotPointwiseError(otherwise)


def _match_conv(node: ir.Node) -> PointwiseLayer:
    x, source = _operands(node)
    weights = _constant_weights(source)
    kernel = weights.shape[2:]
    form = "depthwise" if weights.ndim > 2 and weights.shape[1] == 1 else "kernel"
    _require(
        math.prod(kernel) == 1,
        f"{form} {'x'.join(map(str, kernel))}, but only 1x1 has a sparse form",
    )
    _require(not any(node.attributes.get_ints("pads", ())), "is padded")
    _require(
        3 <= weights.ndim <= MAX_RANK,
        f"its weights have rank {weights.ndim}, but must have 3 to {MAX_RANK}",
    )
    groups = node.attributes.get_int("group", 1)
    rows = weights.shape[0]
    _require(
        groups >= 1 and rows % groups == 0,
        f"{rows} output channels are no multiple of its {groups} groups",
    )
    activation, follower = _activation(node)
    return PointwiseLayer(
        node=node,
        x=x,
        source=source,
        weights=weights.reshape(weights.shape[:2]),
        bias=_bias(node, rows),
        groups=groups,
        strides=tuple(node.attributes.get_ints("strides", ())),
        residual=node.inputs[3] if len(node.inputs) > 3 else None,
        activation=activation,
        follower=follower,
    )


def _match_gemm(node: ir.Node) -> PointwiseLayer:
    x, source = _operands(node)
    weights = _constant_weights(source)
    _require(weights.ndim == 2, f"its weights have rank {weights.ndim}, but must have 2")
    _require(not node.attributes.get_int("transA", 0), "its input is transposed")
    if not node.attributes.get_int("transB", 0):
        weights = weights.T
    bias = _bias(node, weights.shape[0])
    alpha = np.float32(node.attributes.get_float("alpha", 1.0))
    beta = np.float32(node.attributes.get_float("beta", 1.0))
    activation, follower = _activation(node)
    return PointwiseLayer(
        node=node,
        x=x,
        source=source,
        weights=weights if alpha == 1 else weights * alpha,
        bias=bias if bias is None or beta == 1 else bias * beta,
        activation=activation,
        follower=follower,
    )


def _match_matmul(node: ir.Node) -> PointwiseLayer:
    """Read MatMul, and FusedMatMul, which transposes its operands and multiplies by alpha."""
    left, right = _operands(node)
    trans_left, trans_right = (
        bool(node.attributes.get_int(name, 0)) for name in ("transA", "transB")
    )
    _require(
        not any(node.attributes.get_int(name, 0) for name in BATCH_TRANSPOSITIONS),
        "its batch is transposed",
    )
    is_right = constant_array(right) is not None
    x, source = (left, right) if is_right else (right, left)
    array = _constant_weights(source)
    weights, weights_rank = _matrix(array), array.ndim
    if trans_right if is_right else trans_left:
        weights = weights.T
    alpha = np.float32(node.attributes.get_float("alpha", 1.0))
    weights = weights if alpha == 1 else weights * alpha
    _require(x.shape is not None, "the rank of its input is unknown")
    assert x.shape is not None
    rank = len(x.shape)
    _require(rank >= 2, f"its input has rank {rank}, but must have at least 2")
    _require(rank <= MAX_RANK, f"its input has rank {rank}, but must have at most {MAX_RANK}")
    adds_axis = weights_rank > rank
    _require(
        not adds_axis or weights_rank == 3,
        f"its weights have rank {weights_rank}, but its input has rank {rank}",
    )
    if is_right:
        rows = weights.shape[1]
        order = right_product(rank, rows, is_transposed=trans_left, adds_axis=adds_axis)
        return PointwiseLayer(node=node, x=x, source=source, weights=weights.T, order=order)
    _require(rank <= 3, f"its input on the right has rank {rank}, but must have 2 or 3")
    _require(not (adds_axis and trans_right), "its input is transposed")
    order = left_product(rank, weights.shape, is_transposed=trans_right, adds_axis=adds_axis)
    return PointwiseLayer(node=node, x=x, source=source, weights=weights, order=order)


def _operands(node: ir.Node) -> tuple[ir.Value, ir.Value]:
    a, b = node.inputs[:2]
    _require(a is not None and b is not None, "it has no input or no weights")
    assert a is not None
    assert b is not None
    return a, b


def _constant_weights(source: ir.Value) -> NDArray[Any]:
    array = constant_array(source)
    _require(array is not None, "its weights are computed")
    assert array is not None
    _require(array.dtype == np.float32, f"its weights are {array.dtype}")
    return array


def _matrix(array: NDArray[Any]) -> NDArray[Any]:
    """Return the matrix that an operand of MatMul is, which may have axes of size 1 before it."""
    _require(array.ndim >= 2, "its weights are a vector")
    batch = math.prod(array.shape[:-2])
    _require(batch == 1, f"its weights are {batch} matrices")
    return array.reshape(array.shape[-2:])


def _bias(node: ir.Node, rows: int) -> NDArray[np.float32] | None:
    """Return the third input of Conv or Gemm, one number for each output channel."""
    value = node.inputs[2] if len(node.inputs) > 2 else None
    if value is None:
        return None
    array = constant_array(value)
    _require(array is not None, "its bias is computed")
    assert array is not None
    _require(array.dtype == np.float32, f"its bias is {array.dtype}")
    if node.op_type.endswith("Conv"):
        bias = array if array.shape == (rows,) else None
    else:
        bias = per_channel(array, rows, ir.Shape((None, None)), 1)
    _require(bias is not None, "its bias is not one number for each output channel")
    return bias


def _activation(node: ir.Node) -> tuple[Activation, Follower | None]:
    try:
        return fused_activation(node)
    except UnknownActivationError as name:
        raise _NotPointwiseError(f"its activation {name} is unknown") from name


_MATCHERS: dict[tuple[str, str], Callable[[ir.Node], PointwiseLayer]] = {
    ("", "Conv"): _match_conv,
    ("", "Gemm"): _match_gemm,
    ("", "MatMul"): _match_matmul,
    (MICROSOFT, "FusedConv"): _match_conv,
    (MICROSOFT, "FusedGemm"): _match_gemm,
    (MICROSOFT, "FusedMatMul"): _match_matmul,
}
