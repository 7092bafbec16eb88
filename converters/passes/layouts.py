"""What a choice of sparse layers costs in all: the layers, and the changes of layout round them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import onnx_ir as ir

from ort_sparse.converters.cost_model import LANES, reorder_microseconds

from .microsoft import microsoft_op
from .nodes import GROUPS, ORIGIN, get_input, is_sparse_conv, only_consumer, same_shape

__all__ = ["MARGIN", "LayerCost", "Layouts", "elements_of"]

MARGIN = 1.1
"""How much cheaper sparse must be to be chosen: the usual error of a prediction."""

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


class _Plan(NamedTuple):
    """What a node costs, the values it reads in which layout, and the layout of its outputs."""

    cost: float
    reads: Sequence[ir.Value]
    wants_blocked: bool
    gives_blocked: bool


_NOTHING = _Plan(0.0, (), False, False)


class Layouts:
    """The layout of every value of a graph for a choice of sparse layers, and what that costs.

    Turning one layer to its other form visits only the nodes whose layouts change with it, so that
    thousands of layers can be tried.

    Parameters
    ----------
    graph : onnx_ir.Graph
        A sorted graph with inferred shapes.
    costs : mapping of str to LayerCost
        Costs of SparseConv1x1 nodes by name; of others only changes of layout are counted.
    sparse : iterable of str
        Names of the nodes that are sparse.

    Attributes
    ----------
    sparse : set of str
    total : float
        Microseconds of all layers and changes of layout.
    """

    def __init__(
        self, graph: ir.Graph, costs: Mapping[str, LayerCost], sparse: Iterable[str]
    ) -> None:
        self.sparse = set(sparse)
        self.total = 0.0
        self._costs = costs
        padded = {n.outputs[0]: n.inputs[0] for n in graph if _is_part_of_conv(n)}
        self._nodes = [node for node in graph if not _is_part_of_conv(node)]
        self._inputs = {
            node: [padded.get(value) or value for value in _activations(node)]
            for node in self._nodes
        }
        self._positions = {node: position for position, node in enumerate(self._nodes)}
        self._readers: dict[ir.Value, list[ir.Node]] = {}
        for node, values in self._inputs.items():
            for value in values:
                self._readers.setdefault(value, []).append(node)
        self._names = {node.name: node for node in self._nodes if is_sparse_conv(node)}
        self._outputs = set(graph.outputs)
        self._plans = {node: _NOTHING for node in self._nodes}
        self._blocked: set[ir.Value] = set()
        self._reordered: set[ir.Value] = set()
        self._update(range(len(self._nodes)))

    def flip(self, name: str) -> float:
        """Turn a layer to its other form; return by how much the total changes."""
        before = self.total
        self.sparse ^= {name}
        self._update([self._positions[self._names[name]]])
        return self.total - before

    def _update(self, positions: Iterable[int]) -> None:
        """Plan these nodes anew, and all whose inputs change their layout by that."""
        queue = list(positions)
        heapq.heapify(queue)
        touched: set[ir.Value] = set()
        while queue:
            position = heapq.heappop(queue)
            if queue and queue[0] == position:
                continue
            node = self._nodes[position]
            old, new = self._plans[node], self._plan(node)
            self._plans[node] = new
            self.total += new.cost - old.cost
            touched.update(self._inputs[node])
            if new.gives_blocked != old.gives_blocked:
                touched.update(node.outputs)
                self._blocked.symmetric_difference_update(node.outputs)
                readers = (reader for v in node.outputs for reader in self._readers.get(v, ()))
                for reader in readers:
                    heapq.heappush(queue, self._positions[reader])
        for value in touched:
            if self._needs_reorder(value) != (value in self._reordered):
                self._reordered ^= {value}
                sign = 1 if value in self._reordered else -1
                self.total += sign * reorder_microseconds(elements_of(value))

    def _needs_reorder(self, value: ir.Value) -> bool:
        blocked = value in self._blocked
        plans = (self._plans[reader] for reader in self._readers.get(value, ()))
        return (blocked and value in self._outputs) or any(
            value in plan.reads and plan.wants_blocked != blocked for plan in plans
        )

    def _plan(self, node: ir.Node) -> _Plan:
        reads, blocked = self._inputs[node], self._blocked
        if is_sparse_conv(node):
            return self._plan_layer(node, reads)
        wants, gives = _layouts(node, reads, blocked)
        is_plain_resize = node.op_type == "Resize" and not gives
        cost = PLAIN_RESIZE * elements_of(node.outputs[0]) if is_plain_resize else 0.0
        return _Plan(cost, reads, wants, gives)

    def _plan_layer(self, node: ir.Node, reads: Sequence[ir.Value]) -> _Plan:
        name = node.name or ""
        known = self._costs.get(name)
        if name in self.sparse:
            return _Plan(MARGIN * known.sparse if known else 0.0, reads, False, False)
        cost = known.dense if known else 0.0
        wants, gives = _dense_layouts(node, reads[0])
        if len(reads) == 2:
            # Conv takes the Add only where the residual is blocked too.
            reads, is_blocked = reads[:1], reads[1] in self._blocked
            if gives and not is_blocked:
                cost += _plain_add_microseconds(elements_of(node.outputs[0]))
            gives = gives and is_blocked
        return _Plan(cost, reads, wants, gives)


def _plain_add_microseconds(elements: int) -> float:
    """Return the cost of an Add and an activation behind a Conv, instead of within."""
    return reorder_microseconds(elements) + 2 * PLAIN_ELEMENTWISE * elements


def _dense_layouts(node: ir.Node, x: ir.Value) -> tuple[bool, bool]:
    """Return the layouts of a SparseConv1x1 in its dense form."""
    if node.metadata_props.get(ORIGIN, "").startswith(("MatMul", "FusedMatMul")):
        return False, False
    groups = int(node.metadata_props.get(GROUPS, "1"))
    return _conv_layouts(x, node.attributes.get_int("in_channels") // groups, groups)


def _layouts(
    node: ir.Node, inputs: Sequence[ir.Value], blocked: Collection[ir.Value]
) -> tuple[bool, bool]:
    """Return whether a node wants its inputs, and gives its outputs, in the blocked layout."""
    if inputs and _is_conv(node):
        return _standard_conv_layouts(node, inputs[0])
    if node.domain != "" or not inputs:
        return False, False
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


def _is_conv(node: ir.Node) -> bool:
    is_standard = node.domain == "" and node.op_type == "Conv"
    return is_standard or microsoft_op(node) == "FusedConv"


def _is_part_of_conv(node: ir.Node) -> bool:
    """Tell whether ``node`` is a Pad that ONNX Runtime makes a part of the Conv behind it."""
    consumer = only_consumer(node.outputs[0]) if node.op_type == "Pad" else None
    return consumer is not None and consumer.op_type == "Conv"


def _activations(node: ir.Node) -> list[ir.Value]:
    """Return the inputs of a node that are computed or given anew in each run."""
    if is_sparse_conv(node):
        values = [get_input(node, "X"), get_input(node, "residual")]
    elif _is_conv(node):
        values = [*node.inputs[:1], *node.inputs[3:]]
    elif node.op_type in _UNARY_FOLLOWERS:
        values = list(node.inputs[:1])
    else:
        values = list(node.inputs)
    return [value for value in values if value is not None and value.const_value is None]


def elements_of(value: ir.Value) -> int:
    """Return the size of a value for a batch of one; unknown dimensions count as one."""
    shape = value.shape or ()
    return math.prod(size for size in shape if isinstance(size, int))
