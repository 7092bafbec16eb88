"""Reads the activations that ONNX Runtime makes a part of FusedConv and FusedGemm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from ort_sparse.op import Activation

from .microsoft import microsoft_op

__all__ = ["Follower", "UnknownActivationError", "fused_activation"]


@dataclass(frozen=True)
class Follower:
    """A standard operator that computes an activation.

    Parameters
    ----------
    op_type : str
    attributes : mapping of str to float
    """

    op_type: str
    attributes: dict[str, float]


class UnknownActivationError(Exception):
    """The name of an activation that is not known here."""


_FOLLOWERS: dict[str, tuple[str, ...]] = {
    "Elu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
    "Softplus": (),
    "Softsign": (),
    "Tanh": (),
    "ThresholdedRelu": ("alpha",),
}
"""Activations without a form in SparseConv1x1, and the attributes that they have as operators."""


def fused_activation(node: ir.Node) -> tuple[Activation, Follower | None]:
    """Return what a node of ONNX Runtime applies to its result: an activation, or an operator.

    Nodes of ONNX's own operators apply none.

    Raises
    ------
    UnknownActivationError
        If it is none of those known here.
    """
    op_type = microsoft_op(node)
    name = node.attributes.get_string("activation", "") if op_type else ""
    if not name:
        return Activation(), None
    numbers = _list_of_numbers(node) if op_type == "FusedConv" else _numbers(node)
    if name in _FOLLOWERS:
        attributes = dict(zip(_FOLLOWERS[name], numbers, strict=False))
        return Activation(), Follower(name, attributes)
    match name:
        case "Clip":
            minimum = numbers[0] if numbers else -math.inf
            maximum = numbers[1] if len(numbers) > 1 else math.inf
            if minimum <= maximum:
                return Activation("clip", minimum, maximum), None
        case "HardSwish":
            return Activation("hard_swish"), None
        case "LeakyRelu":
            return Activation("leaky_relu", alpha=numbers[0] if numbers else 0.01), None
        case "Relu":
            return Activation("clip", 0.0), None
        case "Sigmoid":
            return Activation("sigmoid"), None
    raise UnknownActivationError(name)


def _list_of_numbers(node: ir.Node) -> list[float]:
    return list(node.attributes.get_floats("activation_params", ()))


def _numbers(node: ir.Node) -> list[float]:
    names = ("activation_alpha", "activation_beta")
    return [node.attributes.get_float(name) for name in names if name in node.attributes]
