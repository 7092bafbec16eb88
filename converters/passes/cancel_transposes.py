"""Removes Transposes that undo each other."""

from __future__ import annotations

import onnx_ir as ir

__all__ = ["CancelTransposesPass"]


class CancelTransposesPass(ir.passes.InPlacePass):
    """Lets what reads a Transpose of a Transpose that together do nothing read the value before.

    Such pairs arise where a MatMul became a SparseConv1x1 between two Transposes.

    Precondition: none. Postcondition: nothing in the main graph reads the second of such a pair;
    the Transposes themselves are left to `RemoveUnusedNodesPass`.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Bypass the pairs of the main graph."""
        modified = False
        for node in model.graph:
            source = _source_of_pair(node)
            if source is not None and not node.outputs[0].is_graph_output():
                modified |= bool(node.outputs[0].uses())
                node.outputs[0].replace_all_uses_with(source)
        return ir.passes.PassResult(model, modified)


def _source_of_pair(second: ir.Node) -> ir.Value | None:
    """Return what ``second`` gives back unchanged, if it undoes a Transpose before it."""
    value = second.inputs[0] if second.inputs else None
    first = value.producer() if value is not None else None
    if first is None:
        return None
    order, before = _order(second), _order(first)
    undone = order and before and [before[axis] for axis in order] == sorted(order)
    return first.inputs[0] if undone else None


def _order(node: ir.Node) -> list[int] | None:
    """Return the permutation of a Transpose where one is given; None for all else."""
    if node.domain != "" or node.op_type != "Transpose" or "perm" not in node.attributes:
        return None
    return list(node.attributes.get_ints("perm"))
