"""Folds the addition of another tensor into SparseConv1x1."""

from __future__ import annotations

import onnx_ir as ir

from .nodes import (
    ORIGIN,
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
                _fuse(layers[value], add, residual)
                modified = True
        if modified:
            model.graph.sort()
        return ir.passes.PassResult(model, modified)


def _can_add(layer: SparseLayer | None) -> bool:
    """Tell whether a residual can be given to ``layer``."""
    if layer is None or has_activation(layer.node) or only_consumer(layer.output) is None:
        return False
    return get_input(layer.node, "residual") is None and (_is_direct(layer) or _is_matmul(layer))


def _is_direct(layer: SparseLayer) -> bool:
    return layer.output is layer.node.outputs[0]


def _is_matmul(layer: SparseLayer) -> bool:
    """Tell whether the layer was a MatMul, whose channels a Transpose moves to the last axis."""
    transpose = layer.output.producer()
    if transpose is None or ORIGIN not in transpose.metadata_props:
        return False
    order = transpose.attributes.get_ints("perm", ())
    return len(order) > 2 and list(order) == [0, *range(2, len(order)), 1]


def _fuse(layer: SparseLayer, add: ir.Node, residual: ir.Value) -> None:
    if not _is_direct(layer):
        residual = _channels_first(layer, add, residual)
    set_input(layer.node, "residual", residual)
    layer.absorb([add])


def _channels_first(layer: SparseLayer, add: ir.Node, residual: ir.Value) -> ir.Value:
    """Transpose ``residual``, which has its channels last, to the order of the layer's node."""
    value = layer.node.outputs[0]
    assert residual.shape is not None
    rank = len(residual.shape)
    transpose = ir.node(
        "Transpose",
        [residual],
        {"perm": [0, rank - 1, *range(1, rank - 1)]},
        name=f"{layer.node.name}.residual",
        metadata_props={ORIGIN: "MatMul"},
    )
    transpose.outputs[0].shape, transpose.outputs[0].type = value.shape, residual.type
    graph = add.graph
    assert graph is not None
    graph.insert_before(add, transpose)
    return transpose.outputs[0]
