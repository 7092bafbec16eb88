"""Stores float32 initializers as float16 where that is exact."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .constants import ConstantPool, constant_array, exact_float16
from .nodes import is_sparse_conv

__all__ = ["StoreFloat16Pass"]


class StoreFloat16Pass(ir.passes.InPlacePass):
    """Stores float32 initializers that are exact in float16 as such, behind a Cast to float32.

    So weights that a file held as float16 take no more bytes than there. ONNX Runtime folds the
    Cast when it loads the model, before it fuses and packs. Left alone are initializers that are
    small (they include what operators need constant at load, such as the scales of Resize), that
    are graph inputs or outputs, that a subgraph uses, or that SparseConv1x1 uses.

    Precondition: none. Postcondition: every value is what it was, under the same name.

    Parameters
    ----------
    min_size : int
        Elements from which on an initializer is worth a Cast node.
    """

    def __init__(self, *, min_size: int = 64) -> None:
        super().__init__()
        self._min_size = min_size

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Store the initializers of the main graph."""
        graph = model.graph
        pool = ConstantPool(graph)
        casts = []
        for value in list(graph.initializers.values()):
            if self._may_change(value, graph):
                half = _as_float16(value)
                if half is not None:
                    casts.append(_cast_back(value, half, graph, pool))
        if casts:
            graph.insert_before(graph[0], casts)
        return ir.passes.PassResult(model, bool(casts))

    def _may_change(self, value: ir.Value, graph: ir.Graph) -> bool:
        tensor = value.const_value
        if tensor is None or tensor.dtype != ir.DataType.FLOAT or tensor.size < self._min_size:
            return False
        if value.is_graph_input() or value.is_graph_output():
            return False
        users = value.consumers()
        return bool(users) and all(n.graph is graph and not is_sparse_conv(n) for n in users)


def _as_float16(value: ir.Value) -> NDArray[np.float16] | None:
    array = constant_array(value)
    assert array is not None
    half = exact_float16(array)
    return half if half.dtype == np.float16 else None


def _cast_back(
    value: ir.Value, half: NDArray[np.float16], graph: ir.Graph, pool: ConstantPool
) -> ir.Node:
    """Return a Cast that gives what the initializer ``value`` was, in its place."""
    name = value.name
    assert name is not None
    stored = pool.add(f"{name}.float16", half)
    cast = ir.node("Cast", [stored], {"to": int(ir.DataType.FLOAT)}, name=f"{name}.cast")
    result = cast.outputs[0]
    result.shape, result.type = value.shape, value.type
    value.replace_all_uses_with(result)
    del graph.initializers[name]
    result.name = name
    return cast
