"""Folds the activation behind SparseConv1x1 into it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ort_sparse.op import Activation

from .constants import ConstantPool, constant_array, exact_float16, per_channel, scalar
from .microsoft import microsoft_op
from .nodes import SparseLayer, has_activation, only_consumer, set_input, sparse_layers

__all__ = ["FuseActivationPass"]


class FuseActivationPass(ir.passes.InPlacePass):
    """Folds Relu, Clip, HardSwish, SiLU, Sigmoid, LeakyRelu and PRelu into SparseConv1x1.

    HardSwish and SiLU are recognised as operators and as products of x and a gate: SiLU is
    ``x * Sigmoid(x)``; HardSwish is ``x * HardSigmoid(x)`` with alpha 1/6 and beta 1/2, or x times
    ``Clip(x + 3, 0, 6)`` with the division by 6 before or after the product. ONNX Runtime's
    QuickGelu with alpha 1 is SiLU too.

    Precondition: shapes are inferred. Postcondition: no SparseConv1x1 without activation is
    followed by one of these alone.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fold the activations of the main graph."""
        pool = ConstantPool(model.graph)
        modified = False
        for layer in sparse_layers(model.graph):
            match = None if has_activation(layer.node) else _match(layer)
            if match is not None:
                _fuse(layer, match, pool)
                modified = True
        return ir.passes.PassResult(model, modified)


@dataclass(frozen=True, eq=False)
class _Match:
    """An activation and the nodes that compute it, the last one giving its result."""

    activation: Activation
    nodes: list[ir.Node]
    slope: NDArray[Any] | None = None


def _fuse(layer: SparseLayer, match: _Match, pool: ConstantPool) -> None:
    for attribute in ir.convenience.convert_attributes(match.activation.attributes()):
        layer.node.attributes.add(attribute)
    if match.slope is not None:
        slope = exact_float16(match.slope)
        set_input(layer.node, "slope", pool.add(f"{layer.node.name}.slope", slope))
    layer.absorb(match.nodes)


def _match(layer: SparseLayer) -> _Match | None:
    node = only_consumer(layer.output)
    if node is None:
        return _match_gated(layer.output)
    if microsoft_op(node) == "QuickGelu":
        activation = _match_quick_gelu(node)
        return None if activation is None else _Match(activation, [node])
    if node.domain != "":
        return None
    if node.op_type == "PRelu":
        return _match_prelu(node, layer)
    matcher = _MATCHERS.get(node.op_type)
    activation = matcher(node) if matcher is not None else None
    return None if activation is None else _Match(activation, [node])


def _match_prelu(node: ir.Node, layer: SparseLayer) -> _Match | None:
    array = constant_array(node.inputs[1])
    if array is None:
        return None
    slope = per_channel(array, layer.channels, layer.output.shape, layer.channel_axis)
    return None if slope is None else _Match(Activation("prelu"), [node], slope)


def _match_clip(node: ir.Node) -> Activation | None:
    """Read Clip, whose bounds were attributes before opset 11."""
    bounds = [
        node.attributes.get_float("min", -math.inf),
        node.attributes.get_float("max", math.inf),
    ]
    for index, value in enumerate(node.inputs[1:]):
        if value is not None:
            bound = scalar(value)
            if bound is None:
                return None
            bounds[index] = bound
    minimum, maximum = bounds
    return Activation("clip", minimum, maximum) if minimum <= maximum else None


def _match_swish(node: ir.Node) -> Activation | None:
    """Read Swish, which is SiLU if alpha is 1."""
    return Activation("silu") if node.attributes.get_float("alpha", 1.0) == 1 else None


def _match_quick_gelu(node: ir.Node) -> Activation | None:
    """Read what ONNX Runtime makes of ``x * Sigmoid(alpha * x)``."""
    return Activation("silu") if node.attributes.get_float("alpha", 1.702) == 1 else None


def _match_leaky_relu(node: ir.Node) -> Activation:
    return Activation("leaky_relu", alpha=node.attributes.get_float("alpha", 0.01))


_MATCHERS: dict[str, Callable[[ir.Node], Activation | None]] = {
    "Clip": _match_clip,
    "HardSwish": lambda node: Activation("hard_swish"),
    "LeakyRelu": _match_leaky_relu,
    "Relu": lambda node: Activation("clip", 0.0),
    "Sigmoid": lambda node: Activation("sigmoid"),
    "Swish": _match_swish,
}


def _match_gated(x: ir.Value) -> _Match | None:
    """Read ``x * gate(x)``, where only the product and the gate use x."""
    uses = list(x.uses())
    if len(uses) != 2 or x.is_graph_output() or any(u.node.graph is not x.graph for u in uses):
        return None
    for gate, product in (uses, uses[::-1]):
        match = _match_product(x, gate.node, product.node)
        if match is not None:
            return match
    return None


def _match_product(x: ir.Value, head: ir.Node, product: ir.Node) -> _Match | None:
    """Read a product of x and the chain of nodes from ``head`` to it."""
    chain = [head]
    while (following := only_consumer(chain[-1].outputs[0])) is not product:
        if following is None or len(chain) == _LONGEST_GATE:
            return None
        chain.append(following)
    if product.op_type != "Mul" or any(node.domain != "" for node in [*chain, product]):
        return None
    nodes = [*chain, product]
    if [node.op_type for node in chain] == ["Sigmoid"]:
        return _Match(Activation("silu"), nodes)
    if _is_hard_sigmoid(chain, x):
        return _Match(Activation("hard_swish"), nodes)
    scaling = only_consumer(product.outputs[0])
    if _is_relu6_of_x_plus_3(chain, x) and scaling is not None and _divides_by_6(scaling):
        return _Match(Activation("hard_swish"), [*nodes, scaling])
    return None


_LONGEST_GATE = 3


def _is_hard_sigmoid(chain: list[ir.Node], x: ir.Value) -> bool:
    """Tell whether ``chain`` computes Clip(x / 6 + 1 / 2, 0, 1)."""
    if len(chain) == 1 and chain[0].op_type == "HardSigmoid":
        attributes = chain[0].attributes
        return _is_close(attributes.get_float("alpha", 0.2), 1 / 6) and _is_close(
            attributes.get_float("beta", 0.5), 0.5
        )
    return _is_relu6_of_x_plus_3(chain[:-1], x) and _divides_by_6(chain[-1])


def _is_relu6_of_x_plus_3(chain: list[ir.Node], x: ir.Value) -> bool:
    if [node.op_type for node in chain] != ["Add", "Clip"]:
        return False
    add, clip = chain
    if clip.inputs[0] is not add.outputs[0]:
        return False
    other = add.inputs[1] if add.inputs[0] is x else add.inputs[0]
    return _is_number(other, 3.0) and _match_clip(clip) == Activation("clip", 0.0, 6.0)


def _divides_by_6(node: ir.Node) -> bool:
    """Tell whether ``node`` divides by 6 or multiplies by 1/6."""
    if node.domain != "":
        return False
    if node.op_type == "Div":
        return _is_number(node.inputs[1], 6.0)
    return node.op_type == "Mul" and any(_is_number(value, 1 / 6) for value in node.inputs)


def _is_number(value: ir.Value | None, number: float) -> bool:
    """Tell whether ``value`` is a constant scalar that equals ``number`` in float32."""
    array = constant_array(value)
    return (
        array is not None
        and array.size == 1
        and array.ndim <= 2  # more could raise the rank of the result
        and _is_close(float(array.item()), number)
    )


def _is_close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=float(np.finfo(np.float32).eps))
