"""Turns SparseConv1x1 back into standard operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ort_sparse.errors import UnsupportedModelError
from ort_sparse.limits import dense_limit
from ort_sparse.op import DOMAIN, Activation, SparseConv1x1

from .constants import ConstantPool
from .nodes import CHOICE, get_input, is_sparse_conv, read_sparse_conv

__all__ = ["DensifyPass"]

_HARD_SWISH_OPSET = 14
_CLIP_INPUTS_OPSET = 11


class DensifyPass(ir.passes.InPlacePass):
    """Replaces SparseConv1x1 by Gemm or Conv, Add and the activation's operators.

    Precondition: shapes are inferred, so that the rank of each input is known. Postcondition: the
    main graph has no SparseConv1x1; weights are the same numbers, in float32; values have the
    names they had. A grouped convolution becomes an ungrouped one with more zeros.

    Raises
    ------
    InvalidModelError
        If a node breaks the operator's specification.
    UnsupportedModelError
        If the rank of an input is unknown, the model's opset is older than 11, or the dense weights
        exceed `dense_limit`.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Replace the nodes of the main graph."""
        graph = model.graph
        pool = ConstantPool(graph)
        nodes = [node for node in graph if is_sparse_conv(node)]
        opset = graph.opset_imports[""]
        if nodes and opset < _CLIP_INPUTS_OPSET:
            raise UnsupportedModelError(
                f"opset: must be at least {_CLIP_INPUTS_OPSET} to densify, but is {opset}"
            )
        _check_size(nodes)
        for node in nodes:
            expansion = _Expansion(node, opset, pool)
            ir.convenience.replace_nodes_and_values(
                graph, node, [node], expansion.nodes, node.outputs, [expansion.result]
            )
        for node in graph:
            node.metadata_props.pop(CHOICE, None)
        if nodes:
            graph.opset_imports.pop(DOMAIN, None)
        return ir.passes.PassResult(model, bool(nodes))


def _check_size(nodes: Sequence[ir.Node]) -> None:
    stored = dense = 0
    for node in nodes:
        weights = read_sparse_conv(node).weights
        stored += weights.nbytes
        dense += math.prod(weights.shape) * np.dtype(np.float32).itemsize
    if dense > dense_limit(stored):
        raise UnsupportedModelError(
            f"the weights of SparseConv1x1 take {dense} bytes dense, more than the "
            f"{dense_limit(stored)} bytes that the {stored} stored bytes allow"
        )


class _Expansion:
    """The standard operators that do what one SparseConv1x1 node does."""

    def __init__(self, node: ir.Node, opset: int, pool: ConstantPool) -> None:
        x, residual = get_input(node, "X"), get_input(node, "residual")
        if x is None or x.shape is None:
            raise UnsupportedModelError(f"node {node.name!r}: the rank of X must be known")
        self.nodes: list[ir.Node] = []
        self._name = node.name or ""
        self._pool = pool
        self._opset = opset
        self._spatial_rank = len(x.shape) - 2
        op = read_sparse_conv(node)
        y = self._linear(op, x)
        if residual is not None:
            y = self._add("Add", [y, residual])
        self.result = self._activation(op, y)

    def _linear(self, op: SparseConv1x1, x: ir.Value) -> ir.Value:
        ones = [1] * self._spatial_rank
        weights = op.weights.to_dense().astype(np.float32)
        inputs = [x, self._constant("weights", weights.reshape(*weights.shape, *ones))]
        if op.bias is not None:
            inputs.append(self._constant("bias", op.bias.astype(np.float32)))
        if not ones:
            return self._add("Gemm", inputs, transB=1)
        return self._add("Conv", inputs, kernel_shape=ones, strides=list(op.strides) or ones)

    def _activation(self, op: SparseConv1x1, y: ir.Value) -> ir.Value:
        activation = op.activation
        simple: dict[str, Callable[[], ir.Value]] = {
            "none": lambda: y,
            "clip": lambda: self._clip(activation, y),
            "hard_swish": lambda: self._hard_swish(y),
            "silu": lambda: self._add("Mul", [y, self._add("Sigmoid", [y])]),
            "sigmoid": lambda: self._add("Sigmoid", [y]),
            "leaky_relu": lambda: self._add("LeakyRelu", [y], alpha=activation.alpha),
            "prelu": lambda: self._prelu(op.slope, y),
        }
        return simple[activation.name]()

    def _clip(self, activation: Activation, y: ir.Value) -> ir.Value:
        if (activation.minimum, activation.maximum) == (0, math.inf):
            return self._add("Relu", [y])
        bounds = [
            self._constant(name, np.array(bound, np.float32)) if math.isfinite(bound) else None
            for name, bound in (("minimum", activation.minimum), ("maximum", activation.maximum))
        ]
        return self._add("Clip", [y, *bounds])

    def _hard_swish(self, y: ir.Value) -> ir.Value:
        if self._opset >= _HARD_SWISH_OPSET:
            return self._add("HardSwish", [y])
        return self._add("Mul", [y, self._add("HardSigmoid", [y], alpha=1 / 6, beta=0.5)])

    def _prelu(self, slope: NDArray[Any] | None, y: ir.Value) -> ir.Value:
        assert slope is not None
        shaped = slope.astype(np.float32).reshape(-1, *[1] * self._spatial_rank)
        return self._add("PRelu", [y, self._constant("slope", shaped)])

    def _constant(self, suffix: str, array: NDArray[Any]) -> ir.Value:
        return self._pool.add(f"{self._name}.{suffix}", array)

    def _add(
        self, op_type: str, inputs: Sequence[ir.Value | None], **attributes: int | float | list[int]
    ) -> ir.Value:
        """Add a node and return its output."""
        suffix = f".{op_type.lower()}" if self.nodes else ""
        node = ir.node(op_type, inputs, attributes, name=self._name + suffix)
        self.nodes.append(node)
        return node.outputs[0]
