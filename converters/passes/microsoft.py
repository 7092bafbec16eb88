"""The operators of ONNX Runtime's own that are read here, and what they must have to be.

onnx.checker looks at no operator of another domain than ONNX's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx_ir as ir
from onnx_ir import AttributeType

__all__ = ["BATCH_TRANSPOSITIONS", "MICROSOFT", "microsoft_op"]

MICROSOFT = "com.microsoft"
"""Domain of the operators that ONNX Runtime makes when it optimizes a model."""

BATCH_TRANSPOSITIONS = ("transBatchA", "transBatchB")
"""Attributes of FusedMatMul that move the first axis of an operand behind the others."""


@dataclass(frozen=True)
class _Form:
    """How many inputs an operator has at least, and the types of the attributes that are read."""

    inputs: int = 1
    attributes: Mapping[str, AttributeType] = field(default_factory=dict)


_INT, _INTS, _FLOAT = AttributeType.INT, AttributeType.INTS, AttributeType.FLOAT

_FORMS = {
    "Attention": _Form(),
    "BiasGelu": _Form(),
    "FastGelu": _Form(),
    "FusedConv": _Form(
        2,
        {
            "activation": AttributeType.STRING,
            "activation_params": AttributeType.FLOATS,
            "auto_pad": AttributeType.STRING,
            **dict.fromkeys(("dilations", "kernel_shape", "pads", "strides"), _INTS),
            "group": _INT,
        },
    ),
    "FusedGemm": _Form(
        2,
        {
            "activation": AttributeType.STRING,
            **dict.fromkeys(("activation_alpha", "activation_beta", "alpha", "beta"), _FLOAT),
            **dict.fromkeys(("transA", "transB"), _INT),
        },
    ),
    "FusedMatMul": _Form(
        2, {"alpha": _FLOAT, **dict.fromkeys(("transA", "transB", *BATCH_TRANSPOSITIONS), _INT)}
    ),
    "Gelu": _Form(),
    "GroupQueryAttention": _Form(),
    "MultiHeadAttention": _Form(),
    "QuickGelu": _Form(1, {"alpha": _FLOAT}),
    "SimplifiedLayerNormalization": _Form(),
    "SkipLayerNormalization": _Form(),
    "SkipSimplifiedLayerNormalization": _Form(),
}


def microsoft_op(node: ir.Node) -> str | None:
    """Return the operator of ONNX Runtime's that a node is, if it has the form of that operator."""
    form = _FORMS.get(node.op_type) if node.domain == MICROSOFT else None
    if form is None or len(node.inputs) < form.inputs or None in node.inputs[: form.inputs]:
        return None
    has_types = all(
        node.attributes[name].type == kind
        for name, kind in form.attributes.items()
        if name in node.attributes
    )
    return node.op_type if has_types and node.outputs else None
