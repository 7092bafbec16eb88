"""Decides which layers are worth replacing: by their costs, and those of changing layouts.

On x86, ONNX Runtime runs Conv on activations in a blocked layout. SparseConv1x1, like most other
operators, works on the plain one, and ONNX Runtime inserts a change of layout, once for each value,
where producer and consumer disagree. So what a layer costs depends on its neighbours, and layers
are chosen together. Where ONNX Runtime has no blocked layout, as on ARM64, sparse layers gain more
than is assumed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

import onnx_ir as ir

from ort_sparse.converters.cost_model import (
    LayerWork,
    dense_microseconds,
    reorder_microseconds,
    sparse_microseconds,
)

from .layouts import MARGIN, LayerCost, Layouts, elements_of
from .nodes import GROUPS, ORIGIN, get_input, is_sparse_conv, read_sparse_conv
from .pointwise import known_product

__all__ = ["LayerChoice", "LayerCost", "choose_layers", "predict_costs"]

MIN_SPARSITY_IF_UNKNOWN = 0.8
"""Share of zeros from which on a layer of unknown size is replaced."""

MIN_GAIN = 1e-6
"""Microseconds that count as a gain; less is rounding."""


@dataclass(frozen=True)
class LayerChoice:
    """Whether a layer is to be sparse, and why.

    Parameters
    ----------
    sparse : bool
    reason : str
    cost : LayerCost, optional
        None where it is unknown.
    """

    sparse: bool
    reason: str
    cost: LayerCost | None = None


def predict_costs(graph: ir.Graph) -> dict[str, LayerCost]:
    """Return the predicted cost of each SparseConv1x1 node by name, where its size is known.

    The sparse form of a MatMul includes the Transposes round it.
    """
    costs = {}
    for node in graph:
        if is_sparse_conv(node) and (work := _work(node)) is not None:
            matrices = _rows_of_matrix(node)
            sparse = matrices * sparse_microseconds(work) + _transpose_microseconds(node)
            dense = dense_microseconds(replace(work, pixels=work.pixels * matrices))
            costs[node.name or ""] = LayerCost(dense, sparse)
    return costs


def choose_layers(
    graph: ir.Graph, costs: Mapping[str, LayerCost], *, candidates: Set[str], source: str
) -> dict[str, LayerChoice]:
    """Choose between dense and sparse for the SparseConv1x1 nodes of a graph.

    Each layer is turned to the other form as long as that lowers the sum of all costs, once from
    all sparse and once from all dense. Layers of one pixel, such as those of squeeze-excite, stay
    sparse, because that makes the file smaller; so does one of unknown size that has many zeros.

    Parameters
    ----------
    graph : onnx_ir.Graph
        A graph with inferred shapes, in which every candidate is SparseConv1x1.
    costs : mapping of str to LayerCost
        Costs by name of the node.
    candidates : set of str
        Names of the nodes that may become dense again; others stay sparse.
    source : str
        Where the costs are from, for the reasons: "predicted" or "measured".
    """
    nodes = {node.name or "": node for node in graph if is_sparse_conv(node)}
    known = [name for name in nodes if name in candidates and name in costs]
    free = [name for name in known if not _is_one_pixel(nodes[name])]
    unknown = {name for name in nodes.keys() & candidates if name not in costs}
    fixed = nodes.keys() - candidates | {name for name in unknown if _has_many_zeros(nodes[name])}
    most = fixed | set(known)
    chosen = min(
        (
            _improve(Layouts(graph, costs, most), free),
            _improve(Layouts(graph, costs, most - set(free)), free),
            Layouts(graph, costs, fixed),
        ),
        key=lambda layouts: layouts.total,
    )
    return {name: _explain(name, chosen, costs.get(name), nodes[name], source) for name in nodes}


def _improve(layouts: Layouts, free: Sequence[str]) -> Layouts:
    """Turn layers one by one to their other form as long as the total becomes smaller."""
    improved = True
    while improved:
        improved = False
        for name in free:
            if layouts.flip(name) < -MIN_GAIN:
                improved = True
            else:
                layouts.flip(name)
    return layouts


def _has_many_zeros(node: ir.Node) -> bool:
    return 1 - read_sparse_conv(node).weights.density >= MIN_SPARSITY_IF_UNKNOWN


def _explain(
    name: str, chosen: Layouts, cost: LayerCost | None, node: ir.Node, source: str
) -> LayerChoice:
    sparse = name in chosen.sparse
    if cost is None:
        return LayerChoice(
            sparse, f"spatial size unknown: sparse from {MIN_SPARSITY_IF_UNKNOWN:.0%} on"
        )
    reason = f"{source} {cost.sparse:.1f} us, dense {cost.dense:.1f} us"
    change = chosen.flip(name)
    chosen.flip(name)
    layout = (-change if sparse else change) - (MARGIN * cost.sparse - cost.dense)
    if abs(layout) >= 0.1:
        reason += f", changes of layout {layout:+.1f} us"
    if sparse and _is_one_pixel(node):
        reason += "; one pixel, kept for its size"
    return LayerChoice(sparse, reason, cost)


def _pixels(node: ir.Node) -> int | None:
    shape = node.outputs[0].shape
    return None if shape is None else known_product(shape[2:])


def _is_one_pixel(node: ir.Node) -> bool:
    return _pixels(node) == 1 and _rows_of_matrix(node) == 1


def _rows_of_matrix(node: ir.Node) -> int:
    """Return how often ONNX Runtime's Gemm uses each weight; a batch of unknown size counts one."""
    shape = node.outputs[0].shape
    if shape is None or len(shape) != 2 or not isinstance(shape[0], int):
        return 1
    return shape[0]


def _transpose_microseconds(node: ir.Node) -> float:
    """Return the cost of the Transposes that belong to a node made from a MatMul."""
    x = get_input(node, "X")
    neighbours = [x.producer() if x is not None else None, *node.outputs[0].consumers()]
    return sum(
        reorder_microseconds(elements_of(each.outputs[0]))
        for each in neighbours
        if each is not None and each.op_type == "Transpose" and ORIGIN in each.metadata_props
    )


def _work(node: ir.Node) -> LayerWork | None:
    pixels = _pixels(node)
    if not pixels:
        return None
    weights = read_sparse_conv(node).weights
    return LayerWork(
        rows=weights.shape[0],
        columns=weights.shape[1],
        pixels=pixels,
        nonzeros=weights.values.size,
        block_rows=weights.block_rows,
        activation=node.attributes.get_string("activation", "none"),
        groups=int(node.metadata_props.get(GROUPS, "1")),
    )
