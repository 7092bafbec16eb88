"""Folds the addition of another tensor into SparseConv1x1."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from .constants import ConstantPool
from .nodes import (
    SparseLayer,
    get_input,
    has_activation,
    only_consumer,
    same_shape,
    set_input,
    sparse_layers,
)

__all__ = ["FuseResidualPass"]


class FuseResidualPass(ir.passes.InPlacePass):
    """Folds Add of a tensor of the same shape into the SparseConv1x1 before it.

    Where both operands are such layers, the later one takes it. The other operand cannot depend
    on the layer, because the Add is the layer's only consumer; so no cycle arises, and sorting
    the graph puts the layer behind its residual.

    Precondition: shapes are inferred. Postcondition: no SparseConv1x1 without activation and
    residual has such an Add as its only consumer; the graph is sorted.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fold the additions of the main graph."""
        pool = ConstantPool(model.graph)
        layers = {layer.output: layer for layer in sparse_layers(model.graph)}
        order = {output: position for position, output in enumerate(layers)}
        modified = False
        for add in [n for n in model.graph if n.domain == "" and n.op_type == "Add"]:
            a, b = add.inputs
            if a is None or b is None or not same_shape(a, b):
                continue
            sides = [(v, other) for v, other in ((a, b), (b, a)) if _can_add(layers.get(v))]
            if sides:
                value, residual = max(sides, key=lambda side: order[side[0]])
                _fuse(layers[value], add, residual, pool)
                modified = True
        if modified:
            model.graph.sort()
        return ir.passes.PassResult(model, modified)


def _can_add(layer: SparseLayer | None) -> bool:
    """Tell whether a residual can be given to ``layer``."""
    if layer is None or has_activation(layer.node) or only_consumer(layer.output) is None:
        return False
    return get_input(layer.node, "residual") is None and (_is_direct(layer) or _is_matrix(layer))


def _is_direct(layer: SparseLayer) -> bool:
    return layer.output is layer.node.outputs[0]


def _is_matrix(layer: SparseLayer) -> bool:
    """Tell whether the layer's output is a matrix that a Reshape gave more dimensions."""
    reshape = layer.output.producer()
    return reshape is not None and reshape.op_type == "Reshape" and layer.channel_axis is not None


def _fuse(layer: SparseLayer, add: ir.Node, residual: ir.Value, pool: ConstantPool) -> None:
    if not _is_direct(layer):
        residual = _as_matrix(layer, add, residual, pool)
    set_input(layer.node, "residual", residual)
    layer.absorb([add])


def _as_matrix(
    layer: SparseLayer, add: ir.Node, residual: ir.Value, pool: ConstantPool
) -> ir.Value:
    """Reshape ``residual`` to the (N, channels) of the layer's node."""
    name = f"{layer.node.name}.residual"
    shape = pool.add(f"{name}_shape", np.array([-1, layer.channels], np.int64))
    reshape = ir.node("Reshape", [residual, shape], name=name)
    reshape.outputs[0].shape = ir.Shape((None, layer.channels))
    reshape.outputs[0].type = residual.type
    graph = add.graph
    assert graph is not None
    graph.insert_before(add, reshape)
    return reshape.outputs[0]
