"""Folds the addition of a constant for each channel into SparseConv1x1."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from .constants import ConstantPool, constant_array, exact_float16, per_channel
from .nodes import (
    SparseLayer,
    get_input,
    has_activation,
    only_consumer,
    set_input,
    sparse_layers,
)

__all__ = ["FuseBiasPass"]


class FuseBiasPass(ir.passes.InPlacePass):
    """Folds Add with a constant for each channel, or one for all, into the bias before it.

    Precondition: shapes are inferred. Postcondition: no SparseConv1x1 without activation has such
    an Add as its only consumer.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fold the additions of the main graph."""
        pool = ConstantPool(model.graph)
        modified = False
        for layer in sparse_layers(model.graph):
            while _fuse(layer, pool):
                modified = True
        return ir.passes.PassResult(model, modified)


def _fuse(layer: SparseLayer, pool: ConstantPool) -> bool:
    add = only_consumer(layer.output)
    if add is None or add.domain != "" or add.op_type != "Add" or has_activation(layer.node):
        return False
    bias = _constant_operand(add, layer)
    if bias is None:
        return False
    old = constant_array(get_input(layer.node, "bias"))
    if old is not None:
        bias = bias + old.astype(bias.dtype)
    set_input(layer.node, "bias", pool.add(f"{layer.node.name}.bias", exact_float16(bias)))
    layer.absorb([add])
    return True


def _constant_operand(add: ir.Node, layer: SparseLayer) -> NDArray[Any] | None:
    other = add.inputs[1] if add.inputs[0] is layer.output else add.inputs[0]
    array = constant_array(other)
    if array is None:
        return None
    return per_channel(array, layer.channels, layer.output.shape, layer.channel_axis)
