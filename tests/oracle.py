"""What SparseConv1x1 must compute, written plainly in float64 NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ort_sparse.bcsr import BlockCSR
from ort_sparse.op import Activation, SparseConv1x1


def activate(y: NDArray[Any], activation: Activation, slope: NDArray[Any] | None) -> NDArray[Any]:
    match activation.name:
        case "none":
            return y
        case "clip":
            return np.clip(y, np.float32(activation.minimum), np.float32(activation.maximum))
        case "hard_swish":
            return y * np.clip(y / 6 + 0.5, 0, 1)
        case "silu":
            return y / (1 + np.exp(-y))
        case "sigmoid":
            return 1 / (1 + np.exp(-y))
        case "leaky_relu":
            return np.where(y < 0, np.float64(np.float32(activation.alpha)) * y, y)
        case "prelu":
            assert slope is not None
            per_channel = slope.astype(np.float64).reshape(1, -1, *[1] * (y.ndim - 2))
            return np.where(y < 0, per_channel * y, y)
    raise AssertionError(activation.name)


def sparse_conv(
    op: SparseConv1x1, x: NDArray[Any], residual: NDArray[Any] | None = None
) -> NDArray[Any]:
    steps = op.strides or (1,) * (x.ndim - 2)
    x = x[(slice(None), slice(None), *(slice(None, None, s) for s in steps))].astype(np.float64)
    y = np.einsum("mk,nk...->nm...", op.weights.to_dense().astype(np.float64), x)
    if op.bias is not None:
        y += op.bias.astype(np.float64).reshape(1, -1, *[1] * (x.ndim - 2))
    if residual is not None:
        y = y + residual
    with np.errstate(over="ignore"):
        return activate(y, op.activation, op.slope)


def magnitude(
    op: SparseConv1x1, x: NDArray[Any], residual: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return the sum of the absolute values of each output's terms, which bounds rounding."""
    dense = np.abs(op.weights.to_dense())
    bias = None if op.bias is None else np.abs(op.bias)
    plain = SparseConv1x1(BlockCSR.from_dense(dense, 1), bias, strides=op.strides)
    return sparse_conv(plain, np.abs(x), None if residual is None else np.abs(residual))


def random_op(
    rng: np.random.Generator,
    rows: int = 16,
    columns: int = 24,
    *,
    block_rows: int = 1,
    density: float = 0.2,
    dtype: Any = np.float32,
    activation: Activation | None = None,
    bias: bool = True,
    strides: tuple[int, ...] = (),
) -> SparseConv1x1:
    """Return an op with random weights whose zeros come in blocks."""
    activation = activation or Activation()
    occupied = np.repeat(rng.random((rows // block_rows, columns)) < density, block_rows, axis=0)
    dense = (rng.standard_normal((rows, columns)) * occupied).astype(dtype)
    slope = None
    if activation.name == "prelu":
        slope = rng.uniform(0, 0.5, rows).astype(dtype)
    return SparseConv1x1(
        weights=BlockCSR.from_dense(dense, block_rows),
        bias=rng.standard_normal(rows).astype(dtype) if bias else None,
        slope=slope,
        strides=strides,
        activation=activation,
    )


def conv(
    x: NDArray[Any],
    weights: NDArray[Any],
    *,
    groups: int,
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, int, int, int],
) -> NDArray[Any]:
    """Return ONNX's Conv of (batch, channels, height, width), without bias."""
    padded = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    batch, _, *size = padded.shape
    kernel = weights.shape[2:]
    height, width = (
        (size[axis] - dilations[axis] * (kernel[axis] - 1) - 1) // strides[axis] + 1
        for axis in range(2)
    )
    padded = padded.reshape(batch, groups, -1, *size)
    weights = weights.reshape(groups, -1, *weights.shape[1:])
    y = np.zeros((batch, groups, weights.shape[1], height, width))
    for row, column in np.ndindex(*kernel):
        top, left = row * dilations[0], column * dilations[1]
        pixels = padded[
            ...,
            top : top + (height - 1) * strides[0] + 1 : strides[0],
            left : left + (width - 1) * strides[1] + 1 : strides[1],
        ]
        y += np.einsum("ngchw,goc->ngohw", pixels, weights[..., row, column])
    return y.reshape(batch, -1, height, width)
