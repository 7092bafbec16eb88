"""SparseConv1x1 nodes in a graph: made, read, found, changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from ort_sparse.errors import InvalidArgumentError, InvalidModelError
from ort_sparse.op import DOMAIN, INPUTS, OP_TYPE, SparseConv1x1

from .constants import constant_array

__all__ = [
    "CHOICE",
    "GROUPS",
    "ORIGIN",
    "SparseLayer",
    "get_input",
    "has_activation",
    "is_sparse_conv",
    "only_consumer",
    "read_sparse_conv",
    "same_shape",
    "set_input",
    "sparse_layers",
]

ORIGIN = "ort_sparse.origin"
"""Key of the node metadata that lists the operators a node was made from."""

CHOICE = "ort_sparse.choice"
"""Key of the node metadata that says whether a layer was made sparse, and why."""

GROUPS = "ort_sparse.groups"
"""Key of the node metadata that holds the groups of the convolution a node was made from."""


@dataclass(frozen=True)
class SparseLayer:
    """A SparseConv1x1 node and the value through which the graph sees its result.

    Parameters
    ----------
    node : onnx_ir.Node
    output : onnx_ir.Value
        The output of the node; or that of a Reshape or Transpose that is its only consumer,
        because what is computed on each element alone may as well be computed before that.
    channel_axis : int or None
        Axis of ``output`` that holds the channels; None where no single axis does.
    """

    node: ir.Node
    output: ir.Value
    channel_axis: int | None

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return read_sparse_conv(self.node).weights.shape[0]

    def absorb(self, nodes: Sequence[ir.Node]) -> None:
        """Remove ``nodes``, which the layer now computes; ``output`` becomes the last one's."""
        result = nodes[-1].outputs[0]
        name = result.name
        result.replace_all_uses_with(self.output, replace_graph_outputs=True)
        graph = self.node.graph
        assert graph is not None
        graph.remove(nodes, safe=True)
        self.output.name = name
        if result.shape is not None:
            self.output.shape = result.shape
        if result.type is not None:
            self.output.type = result.type
        origin = [self.node.metadata_props.get(ORIGIN, OP_TYPE), *(n.op_type for n in nodes)]
        self.node.metadata_props[ORIGIN] = "+".join(origin)


def is_sparse_conv(node: ir.Node) -> bool:
    """Tell whether ``node`` is a SparseConv1x1."""
    return node.domain == DOMAIN and node.op_type == OP_TYPE


def read_sparse_conv(node: ir.Node) -> SparseConv1x1:
    """Return what a SparseConv1x1 node holds.

    Raises
    ------
    InvalidModelError
        If the node breaks the operator's specification.
    """
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    constants: dict[str, NDArray[Any]] = {}
    for name in INPUTS:
        array = constant_array(get_input(node, name))
        if array is not None:
            constants[name] = array
    try:
        return SparseConv1x1.from_node(attributes, constants)
    except InvalidArgumentError as error:
        raise InvalidModelError(f"node {node.name!r}: {error}") from error


def sparse_layers(graph: ir.Graph) -> Iterator[SparseLayer]:
    """Yield the SparseConv1x1 layers of ``graph``, which may change meanwhile, in its order."""
    for node in list(graph):
        if is_sparse_conv(node):
            yield _layer(node)


def get_input(node: ir.Node, name: str) -> ir.Value | None:
    """Return the input of a SparseConv1x1 node by its name in `INPUTS`."""
    index = INPUTS.index(name)
    return node.inputs[index] if index < len(node.inputs) else None


def set_input(node: ir.Node, name: str, value: ir.Value) -> None:
    """Set the input of a SparseConv1x1 node by its name in `INPUTS`."""
    index = INPUTS.index(name)
    if index >= len(node.inputs):
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


def has_activation(node: ir.Node) -> bool:
    """Tell whether a SparseConv1x1 node applies an activation."""
    return node.attributes.get_string("activation", "none") != "none"


def only_consumer(value: ir.Value) -> ir.Node | None:
    """Return the node that alone uses ``value``, once; None where something else does too.

    Graph outputs and nodes in subgraphs count as users, and a subgraph's node is never returned.
    """
    uses = value.uses()
    if len(uses) != 1 or value.is_graph_output():
        return None
    (use,) = uses
    return use.node if use.node.graph is value.graph else None


def same_shape(a: ir.Value, b: ir.Value) -> bool:
    """Tell whether two values certainly have the same shape."""
    if a.shape is None or b.shape is None or len(a.shape) != len(b.shape):
        return False
    return all(
        x == y and (isinstance(x, int) or x.value is not None)
        for x, y in zip(a.shape, b.shape, strict=True)
    )


def _layer(node: ir.Node) -> SparseLayer:
    output = node.outputs[0]
    consumer = only_consumer(output)
    if consumer is not None and consumer.domain == "" and consumer.inputs[0] is output:
        if consumer.op_type == "Transpose":
            order = consumer.attributes.get_ints("perm", ())
            axis = order.index(1) if 1 in order else None
            return SparseLayer(node, consumer.outputs[0], axis)
        if consumer.op_type == "Reshape":
            return SparseLayer(node, consumer.outputs[0], _axis_behind_reshape(output, consumer))
    return SparseLayer(node, output, 1)


def _axis_behind_reshape(value: ir.Value, reshape: ir.Node) -> int | None:
    """Return the last axis, if (N, channels) is reshaped to (..., channels).

    It is the first one if (1, channels, N) is reshaped to (channels, N).
    """
    before, after = value.shape, reshape.outputs[0].shape
    if before is None or after is None or len(before) < 2 or not isinstance(before[1], int):
        return None
    if len(before) == 2 and len(after) > 0:
        return len(after) - 1 if before[1] == after[-1] else None
    is_one_item = len(before) == 3 and before[0] == 1
    return 0 if is_one_item and len(after) == 2 and before[1] == after[0] else None
