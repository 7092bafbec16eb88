"""FULLY_CONNECTED with an input of another rank than 2."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ort_sparse.errors import InvalidModelError, UnsupportedModelError, quoted

from ._dependencies import tflite_schema
from .model import builtin_code, operator_name, shape_of, tensor_name

__all__ = ["flatten_inputs"]

_MAX_DIMENSION = 2**31 - 1  # schema.fbs: Tensor.shape is [int]


def flatten_inputs(model: Any, subgraph: Any) -> None:
    """Put a RESHAPE to rank 2 before each FULLY_CONNECTED that flattens its input itself.

    tf2onnx 1.17 loses the bias of those (``TflFullyConnectedOp``). The first dimension is left
    to the RESHAPE, so it may be dynamic.

    Raises
    ------
    InvalidModelError
        If such an operator has no input or no weights.
    UnsupportedModelError
        If the weights of such an operator have no constant shape of rank 2.
    """
    operators = []
    for operator in subgraph.operators:
        if operator_name(model, operator) == "FULLY_CONNECTED" and _flattens(subgraph, operator):
            operators.append(_insert_reshape(model, subgraph, operator))
        operators.append(operator)
    subgraph.operators = operators


def _flattens(subgraph: Any, operator: Any) -> bool:
    if len(operator.inputs) < 2 or -1 in operator.inputs[:2]:
        raise InvalidModelError(
            "operator FULLY_CONNECTED: must have an input and weights, but has tensors "
            f"{list(map(int, operator.inputs))}"
        )
    options = operator.builtinOptions
    # Options of another operator count as none, as in LiteRT.
    has_options = isinstance(options, tflite_schema().FullyConnectedOptionsT)
    keeps_rank = has_options and options.keepNumDims
    return not keeps_rank and len(shape_of(subgraph.tensors[operator.inputs[0]])) != 2


def _insert_reshape(model: Any, subgraph: Any, operator: Any) -> Any:
    """Make ``operator`` read a new tensor of rank 2, and return the RESHAPE that computes it."""
    schema = tflite_schema()
    source = subgraph.tensors[operator.inputs[0]]
    weights = shape_of(subgraph.tensors[operator.inputs[1]])
    if len(weights) != 2 or weights[1] == 0:
        raise UnsupportedModelError(
            f"tensor {quoted(tensor_name(subgraph.tensors[operator.inputs[1]]))}: weights of "
            f"FULLY_CONNECTED must have rank 2, but have shape {weights}"
        )
    depth = weights[1]
    rows = math.prod(shape_of(source)) // depth
    if rows > _MAX_DIMENSION:
        raise UnsupportedModelError(
            f"tensor {quoted(tensor_name(source))}: FULLY_CONNECTED flattens it to {rows} rows, "
            f"but {_MAX_DIMENSION} is the most"
        )
    signature = source.shapeSignature
    dynamic = signature is not None and -1 in signature
    model.buffers.append(schema.BufferT(data=np.array([-1, depth], "<i4").view(np.uint8)))
    name = tensor_name(source)
    subgraph.tensors += [
        schema.TensorT(
            name=f"{name}_shape".encode(),
            type=schema.TensorType.INT32,
            shape=np.array([2], np.int32),
            buffer=len(model.buffers) - 1,
        ),
        schema.TensorT(
            name=f"{name}_flat".encode(),
            type=source.type,
            shape=np.array([rows, depth], np.int32),
            shapeSignature=np.array([-1, depth], np.int32) if dynamic else None,
            quantization=source.quantization,
        ),
    ]
    shape, flat = len(subgraph.tensors) - 2, len(subgraph.tensors) - 1
    reshape = schema.OperatorT(
        opcodeIndex=_operator_code(model, schema.BuiltinOperator.RESHAPE),
        inputs=np.array([operator.inputs[0], shape], np.int32),
        outputs=np.array([flat], np.int32),
        builtinOptionsType=schema.BuiltinOptions.ReshapeOptions,
        builtinOptions=schema.ReshapeOptionsT(newShape=[-1, depth]),
    )
    operator.inputs = np.array([flat, *operator.inputs[1:]], np.int32)
    return reshape


def _operator_code(model: Any, code: int) -> int:
    """Return the index of an operator's code in the model, which gets one if it has none."""
    for index, operator_code in enumerate(model.operatorCodes):
        if builtin_code(operator_code) == code:
            return index
    model.operatorCodes.append(
        tflite_schema().OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code)
    )
    return len(model.operatorCodes) - 1
