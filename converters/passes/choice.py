"""Decides which layers are worth replacing: by their costs, and those of changing layouts.

On x86, ONNX Runtime runs Conv on activations in a blocked layout. SparseConv1x1, like most other
operators, works on the plain one, and ONNX Runtime inserts a change of layout, once for each value,
where producer and consumer disagree. So what a layer costs depends on its neighbours, and layers
are chosen together. Where ONNX Runtime has no blocked layout, as on ARM64, sparse layers gain more
than is assumed here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass

import onnx_ir as ir

from ort_sparse.converters.cost_model import (
    LANES,
    LayerWork,
    dense_microseconds,
    reorder_microseconds,
    sparse_microseconds,
)

from .nodes import (
    GROUPS,
    get_input,
    is_sparse_conv,
    only_consumer,
    read_sparse_conv,
    same_shape,
)
from .pointwise import known_product

__all__ = ["LayerChoice", "LayerCost", "choose_layers", "predict_costs"]

MARGIN = 1.1
"""How much cheaper sparse must be to be chosen: the usual error of a prediction."""

MIN_SPARSITY_IF_UNKNOWN = 0.8
"""Share of zeros from which on a layer of unknown size is replaced."""

PLAIN_ELEMENTWISE = 0.1e-3
"""Microseconds for each value of an operator such as Add or Relu that stands alone."""

PLAIN_RESIZE = 0.8e-3
"""Microseconds for each output value that Resize takes longer in the plain layout."""

# Keep the layout of their first input, or of all inputs where those agree.
_UNARY_FOLLOWERS = {
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "LeakyRelu",
    "MaxPool",
    "Relu",
    "Resize",
    "Sigmoid",
    "Tanh",
}
_NARY_FOLLOWERS = {"Add", "Concat", "Mul", "Sum"}


@dataclass(frozen=True)
class LayerCost:
    """Microseconds of a layer as a node of standard operators, and as SparseConv1x1."""

    dense: float
    sparse: float


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
    """Return the predicted cost of each SparseConv1x1 node by name, where its size is known."""
    costs = {}
    for node in graph:
        if is_sparse_conv(node) and (work := _work(node)) is not None:
            costs[node.name or ""] = LayerCost(dense_microseconds(work), sparse_microseconds(work))
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
    layouts = _Layouts(graph, costs)
    nodes = {node.name or "": node for node in graph if is_sparse_conv(node)}
    known = [name for name in nodes if name in candidates and name in costs]
    free = [name for name in known if _pixels(nodes[name]) != 1]
    unknown = {name for name in nodes.keys() & candidates if name not in costs}
    fixed = nodes.keys() - candidates | {name for name in unknown if _has_many_zeros(nodes[name])}
    most = fixed | set(known)
    chosen = min(
        (layouts.improve(most, free), layouts.improve(most - set(free), free), fixed),
        key=layouts.total,
    )
    return {
        name: _explain(name, chosen, costs.get(name), layouts, node, source)
        for name, node in nodes.items()
    }


def _has_many_zeros(node: ir.Node) -> bool:
    return 1 - read_sparse_conv(node).weights.density >= MIN_SPARSITY_IF_UNKNOWN


def _explain(
    name: str,
    chosen: set[str],
    cost: LayerCost | None,
    layouts: _Layouts,
    node: ir.Node,
    source: str,
) -> LayerChoice:
    sparse = name in chosen
    if cost is None:
        return LayerChoice(
            sparse, f"spatial size unknown: sparse from {MIN_SPARSITY_IF_UNKNOWN:.0%} on"
        )
    reason = f"{source} {cost.sparse:.1f} us, dense {cost.dense:.1f} us"
    layout = layouts.total(chosen | {name}) - layouts.total(chosen - {name})
    layout -= MARGIN * cost.sparse - cost.dense
    if abs(layout) >= 0.1:
        reason += f", changes of layout {layout:+.1f} us"
    if sparse and _pixels(node) == 1:
        reason += "; one pixel, kept for its size"
    return LayerChoice(sparse, reason, cost)


class _Layouts:
    """The layout of every value of a graph, for any choice of sparse layers."""

    def __init__(self, graph: ir.Graph, costs: Mapping[str, LayerCost]) -> None:
        self._costs = costs
        padded = {n.outputs[0]: n.inputs[0] for n in graph if _is_part_of_conv(n)}
        self._nodes = [node for node in graph if not _is_part_of_conv(node)]
        self._inputs = {
            node: [padded.get(value) or value for value in _activations(node)]
            for node in self._nodes
        }
        self._outputs = list(graph.outputs)

    def improve(self, sparse: set[str], free: Sequence[str]) -> set[str]:
        """Turn layers one by one to their other form as long as the total becomes smaller."""
        sparse, best = set(sparse), self.total(sparse)
        improved = True
        while improved:
            improved = False
            for name in free:
                flipped = sparse ^ {name}
                total = self.total(flipped)
                if total < best:
                    sparse, best, improved = flipped, total, True
        return sparse

    def total(self, sparse: set[str]) -> float:
        """Return the microseconds of all layers and changes of layout."""
        blocked: set[ir.Value] = set()
        reordered: set[ir.Value] = set()
        total = 0.0
        for node in self._nodes:
            name, inputs = node.name or "", self._inputs[node]
            wants_blocked, gives_blocked = _layouts(node, inputs, blocked, name in sparse)
            if is_sparse_conv(node):
                if (cost := self._costs.get(name)) is not None:
                    total += MARGIN * cost.sparse if name in sparse else cost.dense
                if name not in sparse and len(inputs) == 2:
                    # Conv takes the Add only where the residual is blocked too.
                    inputs, is_blocked = inputs[:1], inputs[1] in blocked
                    if gives_blocked and not is_blocked:
                        total += _plain_add_microseconds(_elements(node.outputs[0]))
                    gives_blocked &= is_blocked
            elif node.op_type == "Resize" and not gives_blocked:
                total += PLAIN_RESIZE * _elements(node.outputs[0])
            reordered.update(value for value in inputs if (value in blocked) != wants_blocked)
            if gives_blocked:
                blocked.update(node.outputs)
        reordered.update(value for value in self._outputs if value in blocked)
        return total + sum(reorder_microseconds(_elements(value)) for value in reordered)


def _plain_add_microseconds(elements: int) -> float:
    """Return the cost of an Add and an activation behind a Conv, instead of within."""
    return reorder_microseconds(elements) + 2 * PLAIN_ELEMENTWISE * elements


def _layouts(
    node: ir.Node, inputs: Sequence[ir.Value], blocked: Collection[ir.Value], sparse: bool
) -> tuple[bool, bool]:
    """Return whether a node wants its inputs, and gives its outputs, in the blocked layout."""
    if is_sparse_conv(node):
        columns = node.attributes.get_int("in_channels") // _groups(node)
        return (False, False) if sparse else _conv_layouts(inputs[0], columns, _groups(node))
    if node.domain != "" or not inputs:
        return False, False
    if node.op_type == "Conv":
        return _standard_conv_layouts(node, inputs[0])
    if node.op_type in _UNARY_FOLLOWERS:
        follows = inputs[0] in blocked
    else:
        follows = node.op_type in _NARY_FOLLOWERS and _agree(node, inputs, blocked)
    return follows, follows


def _standard_conv_layouts(node: ir.Node, x: ir.Value) -> tuple[bool, bool]:
    weights = node.inputs[1]
    if weights is None or weights.shape is None or not isinstance(weights.shape[1], int):
        return False, False
    return _conv_layouts(x, weights.shape[1], node.attributes.get_int("group", 1))


def _conv_layouts(x: ir.Value, group_columns: int, groups: int) -> tuple[bool, bool]:
    """Return the layouts of a Conv: an ungrouped one reads a few channels as they are."""
    if x.shape is None or len(x.shape) != 4:
        return False, False
    if groups == 1:
        return group_columns >= LANES, True
    is_blocked = group_columns == 1 or group_columns % LANES == 0
    return is_blocked, is_blocked


def _agree(node: ir.Node, inputs: Sequence[ir.Value], blocked: Collection[ir.Value]) -> bool:
    """Tell whether all operands are blocked, and of one shape where they are not concatenated."""
    if len(inputs) != len(node.inputs) or any(value not in blocked for value in inputs):
        return False
    return node.op_type == "Concat" or all(same_shape(inputs[0], value) for value in inputs[1:])


def _is_part_of_conv(node: ir.Node) -> bool:
    """Tell whether ``node`` is a Pad that ONNX Runtime makes a part of the Conv behind it."""
    consumer = only_consumer(node.outputs[0]) if node.op_type == "Pad" else None
    return consumer is not None and consumer.op_type == "Conv"


def _activations(node: ir.Node) -> list[ir.Value]:
    """Return the inputs of a node that are computed or given anew in each run."""
    if is_sparse_conv(node):
        values = [get_input(node, "X"), get_input(node, "residual")]
    elif node.op_type in ("Conv", *_UNARY_FOLLOWERS):
        values = list(node.inputs[:1])
    else:
        values = list(node.inputs)
    return [value for value in values if value is not None and value.const_value is None]


def _elements(value: ir.Value) -> int:
    """Return the size of a value for a batch of one; unknown dimensions count as one."""
    shape = value.shape or ()
    return math.prod(size for size in shape if isinstance(size, int))


def _pixels(node: ir.Node) -> int | None:
    shape = node.outputs[0].shape
    return None if shape is None else known_product(shape[2:])


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
        groups=_groups(node),
    )


def _groups(node: ir.Node) -> int:
    return int(node.metadata_props.get(GROUPS, "1"))
