"""Folds the scaling and shifting of each channel into SparseConv1x1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .constants import ConstantPool, constant_array, exact_float16, per_channel
from .nodes import (
    SparseLayer,
    get_input,
    has_activation,
    only_consumer,
    read_sparse_conv,
    set_input,
    sparse_layers,
)

__all__ = ["FuseAffinePass"]


class FuseAffinePass(ir.passes.InPlacePass):
    """Folds what follows a layer and is affine in each channel into its weights and bias.

    That is Add, Sub, Mul and Div with a constant for each channel, or one for all, and
    BatchNormalization with its statistics. Zeros stay zeros. A layer with a residual is only
    shifted, because the residual would have to be scaled with it.

    Precondition: shapes are inferred. Postcondition: no SparseConv1x1 without activation has such
    a node as its only consumer, but for scales behind a residual and those that are not finite.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fold the nodes of the main graph."""
        pool = ConstantPool(model.graph)
        modified = False
        for layer in sparse_layers(model.graph):
            while _fuse(layer, pool):
                modified = True
        return ir.passes.PassResult(model, modified)


@dataclass(frozen=True, eq=False)
class _Affine:
    """What maps each channel y to ``scale * y + shift``; float64 of shape (channels,), or one."""

    scale: NDArray[Any] | float
    shift: NDArray[Any] | float


def _fuse(layer: SparseLayer, pool: ConstantPool) -> bool:
    node = only_consumer(layer.output)
    if node is None or node.domain != "" or has_activation(layer.node):
        return False
    matcher = _MATCHERS.get(node.op_type)
    affine = matcher(node, layer) if matcher is not None else None
    if affine is None:
        return False
    scaled = not np.all(affine.scale == 1)
    if scaled and (
        get_input(layer.node, "residual") is not None or not _scale(layer, affine, pool)
    ):
        return False
    _shift(layer, affine, pool)
    layer.absorb([node])
    return True


def _scale(layer: SparseLayer, affine: _Affine, pool: ConstantPool) -> bool:
    """Multiply the rows of the weights, unless that overflows; return whether it was done."""
    weights = read_sparse_conv(layer.node).weights
    rows = np.broadcast_to(affine.scale, weights.shape[0]).reshape(-1, weights.block_rows)
    with np.errstate(over="ignore", invalid="ignore"):
        values = (weights.values * rows[weights.block_row_of_each_block()]).astype(np.float32)
    if not np.isfinite(values).all():
        return False
    set_input(layer.node, "values", pool.add(f"{layer.node.name}.values", exact_float16(values)))
    return True


def _shift(layer: SparseLayer, affine: _Affine, pool: ConstantPool) -> None:
    old = constant_array(get_input(layer.node, "bias"))
    bias = affine.scale * (0.0 if old is None else old.astype(np.float64)) + affine.shift
    if old is None and not np.any(bias):
        return
    stored = exact_float16(np.broadcast_to(bias, layer.channels).astype(np.float32))
    set_input(layer.node, "bias", pool.add(f"{layer.node.name}.bias", stored))


def _match_add(node: ir.Node, layer: SparseLayer) -> _Affine | None:
    operand = _operand(node, layer)
    return None if operand is None else _Affine(1.0, operand)


def _match_sub(node: ir.Node, layer: SparseLayer) -> _Affine | None:
    operand = _operand(node, layer)
    if operand is None:
        return None
    return _Affine(1.0, -operand) if node.inputs[0] is layer.output else _Affine(-1.0, operand)


def _match_mul(node: ir.Node, layer: SparseLayer) -> _Affine | None:
    operand = _operand(node, layer)
    return None if operand is None else _Affine(operand, 0.0)


def _match_div(node: ir.Node, layer: SparseLayer) -> _Affine | None:
    operand = _operand(node, layer)
    if operand is None or node.inputs[0] is not layer.output or not operand.all():
        return None
    return _Affine(1 / operand, 0.0)


def _operand(node: ir.Node, layer: SparseLayer) -> NDArray[Any] | None:
    """Return the constant operand of a node, one number for each channel."""
    other = node.inputs[1] if node.inputs[0] is layer.output else node.inputs[0]
    array = constant_array(other)
    if array is None:
        return None
    operand = per_channel(array, layer.channels, layer.output.shape, layer.channel_axis)
    return None if operand is None else operand.astype(np.float64)


def _match_batch_normalization(node: ir.Node, layer: SparseLayer) -> _Affine | None:
    """Read BatchNormalization, y = (x - mean) / sqrt(variance + epsilon) * scale + bias."""
    is_training = node.attributes.get_int("training_mode", 0)
    if is_training or any(output.uses() for output in node.outputs[1:]) or layer.channel_axis != 1:
        return None
    arrays = [constant_array(value) for value in node.inputs[1:]]
    scale, bias, mean, variance = [None if a is None else a.astype(np.float64) for a in arrays]
    if scale is None or bias is None or mean is None or variance is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = scale / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    is_sound = factor.shape == (layer.channels,) and np.isfinite(factor).all()
    return _Affine(factor, bias - factor * mean) if is_sound else None


_MATCHERS: dict[str, Callable[[ir.Node, SparseLayer], _Affine | None]] = {
    "Add": _match_add,
    "BatchNormalization": _match_batch_normalization,
    "Div": _match_div,
    "Mul": _match_mul,
    "Sub": _match_sub,
}
