"""GELU, which tf2onnx 1.17 has no conversion for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._dependencies import require

__all__ = ["register_gelu"]


def register_gelu() -> None:
    """Teach tf2onnx to convert GELU; ONNX itself has the operator from opset 20 on.

    The nodes of the exact form are those that ONNX Runtime fuses to one.
    """
    handler = require("tf2onnx.handler")
    handler.tfl_op(["TFL_GELU"])(_GeluHandler)


class _GeluHandler:
    """Converts a node; tf2onnx finds the oldest opset it can write in the name of the method."""

    @classmethod
    def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:
        x, output = node.input[0], node.output[0]
        shape, dtype = ctx.get_shape(output), ctx.get_dtype(output)
        ctx.remove_node(node.name)

        def constant(value: float) -> str:
            utils = require("tf2onnx.utils")
            name: str = ctx.make_const(utils.make_name("gelu"), np.float32(value)).output[0]
            return name

        def compute(kind: str, *inputs: str, outputs: list[str] | None = None) -> str:
            made = ctx.make_node(
                kind, list(inputs), outputs=outputs, shapes=[shape], dtypes=[dtype]
            )
            name: str = made.output[0]
            return name

        if node.get_attr_value("approximate"):
            cube = compute("Mul", compute("Pow", x, constant(3)), constant(0.044715))
            scaled = compute("Mul", compute("Add", x, cube), constant(math.sqrt(2 / math.pi)))
            curve = compute("Tanh", scaled)
        else:
            curve = compute("Erf", compute("Div", x, constant(math.sqrt(2))))
        half = compute("Mul", x, constant(0.5))
        compute("Mul", half, compute("Add", curve, constant(1)), outputs=[output])
