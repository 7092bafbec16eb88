"""Quantized TFLite files: which kind a file is, and the same file computing in float32.

Real value = scale * (stored value - zero point), per tensor or per slice along one dimension
(TensorFlow Lite's quantization specification). Two kinds of files occur, also mixed:

- Full integer: activations are stored as integers, each operator rounds its result.
- Dynamic range: weights are integers and activations floats, which LiteRT's kernels quantize on the
  fly. tf2onnx knows nothing of that, and ONNX Runtime computes with the same weights in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ort_sparse.errors import InvalidModelError, UnsupportedModelError, quoted
from ort_sparse.limits import dense_limit

from ._dependencies import tflite_schema
from .densify import densify
from .model import (
    data_of,
    operator_name,
    pack_model,
    read_model,
    shape_of,
    tensor_name,
    tensor_type,
)
from .names import read_interface
from .signatures import choose_signature

__all__ = [
    "Quantization",
    "check_quantized_types",
    "quantization_of",
    "stop_quantizing_on_the_fly",
    "with_float_weights",
]

_INTEGERS = ("INT2", "INT4", "UINT4", "INT8", "UINT8", "INT16", "UINT16", "INT32", "INT64")
_WEIGHTS = {"INT8": np.int8, "UINT8": np.uint8}

# What these do is no arithmetic: they change between both forms.
_CHANGES = ("QUANTIZE", "DEQUANTIZE", "DENSIFY")

# What ONNX has DequantizeLinear and QuantizeLinear for, up to the last opset of tf2onnx.
_READABLE = ("INT8", "UINT8", "INT32")
_WRITABLE = ("INT8", "UINT8")
_LISTED = 8


@dataclass(frozen=True)
class Quantization:
    """How a file is quantized."""

    quantizes_on_the_fly: bool
    """Whether operators have integer weights and float activations (dynamic range)."""
    computes_in_integers: bool
    """Whether activations are integers (full integer)."""
    input_steps: dict[str, float]
    """For each input that is quantized the real value of one step, in units of the input."""
    output_steps: dict[str, float]
    """The same for each output."""


def quantization_of(data: bytes, signature: str | None = None) -> Quantization:
    """Return how a TFLite file, or one of its signatures, is quantized.

    Raises
    ------
    InvalidArgumentError
        As `choose_signature`.
    InvalidModelError, UnsupportedModelError
        As `densify`.
    """
    model = _read(data, signature)
    interface = read_interface(model)
    subgraph = model.subgraphs[0]
    return Quantization(
        quantizes_on_the_fly=any(True for _ in _hybrid_weights(model)),
        computes_in_integers=any(True for _ in _integer_operators(model)),
        input_steps=_steps(model, interface.inputs, _changed(model, subgraph, "QUANTIZE")),
        output_steps=_steps(model, interface.outputs, _changed(model, subgraph, "DEQUANTIZE")),
    )


def with_float_weights(data: bytes, signature: str | None = None) -> bytes:
    """Return a file whose dynamic-range operators compute in float32, with the same weights.

    Raises
    ------
    InvalidArgumentError, InvalidModelError
        As `quantization_of`, or if the quantization of weights contradicts itself.
    UnsupportedModelError
        As `densify`, or if the weights would take more memory than the size of the file allows.
    """
    model = _read(data, signature)
    budget = dense_limit(len(data))
    made: dict[tuple[int, int], int] = {}
    for number, operator, position in list(_hybrid_weights(model)):
        tensors = model.subgraphs[number].tensors
        index = int(operator.inputs[position])
        if (number, index) not in made:
            values = _dequantize(model, tensors[index], budget)
            budget -= values.nbytes
            made[number, index] = len(tensors)
            tensors.append(_constant(model, tensors[index], values))
        operator.inputs = np.array(operator.inputs, np.int32)
        operator.inputs[position] = made[number, index]
    return pack_model(model)


def check_quantized_types(model: Any) -> None:
    """Raise UnsupportedModelError if operators compute with integers that ONNX cannot quantize."""
    refused: dict[str, None] = {}
    kinds: dict[str, None] = {}
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            for indices, known in ((operator.inputs, _READABLE), (operator.outputs, _WRITABLE)):
                for tensor in (subgraph.tensors[i] for i in indices if i != -1):
                    if _is_quantized(tensor) and tensor_type(tensor) not in known:
                        refused[operator_name(model, operator)] = None
                        kinds[tensor_type(tensor)] = None
    if refused:
        names = ", ".join(list(refused)[:_LISTED]) + (", ..." if len(refused) > _LISTED else "")
        raise UnsupportedModelError(
            f"operators {names}: they compute with quantized {' and '.join(kinds)}, for which ONNX "
            "has no operators before opset 21, and tf2onnx writes 18 at most; "
            "quantize the model to INT8"
        )


def stop_quantizing_on_the_fly(model: Any) -> None:
    """Let dynamic-range operators compute in float32, of which tf2onnx makes some quantize."""
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            if getattr(operator.builtinOptions, "asymmetricQuantizeInputs", False):
                operator.builtinOptions.asymmetricQuantizeInputs = False


def _read(data: bytes, signature: str | None) -> Any:
    model = read_model(data)
    choose_signature(model, signature)
    densify(model, len(data))
    return model


def _is_quantized(tensor: Any) -> bool:
    quantization = tensor.quantization
    has_scale = quantization is not None and quantization.scale is not None
    return has_scale and len(quantization.scale) > 0 and tensor_type(tensor) in _INTEGERS


def _hybrid_weights(model: Any) -> Iterator[tuple[int, Any, int]]:
    """Yield subgraph, operator and position of each integer weight of a dynamic-range operator."""
    for number, subgraph in enumerate(model.subgraphs):
        for operator in subgraph.operators:
            kinds = {tensor_type(subgraph.tensors[i]) for i in operator.outputs if i != -1}
            if kinds != {"FLOAT32"} or operator_name(model, operator) in _CHANGES:
                continue
            for position, index in enumerate(operator.inputs):
                tensor = subgraph.tensors[index] if index != -1 else None
                if (
                    tensor is not None
                    and tensor_type(tensor) in _WEIGHTS
                    and _is_quantized(tensor)
                    and data_of(model, tensor) is not None
                ):
                    yield number, operator, position


def _integer_operators(model: Any) -> Iterator[Any]:
    """Yield the operators that compute integers with a scale."""
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            computed = [subgraph.tensors[i] for i in operator.outputs if i != -1]
            is_change = operator_name(model, operator) in _CHANGES
            if not is_change and any(_is_quantized(tensor) for tensor in computed):
                yield operator


def _changed(model: Any, subgraph: Any, name: str) -> dict[int, int]:
    """Return what QUANTIZE makes of its inputs, or what DEQUANTIZE makes its outputs of."""
    changed: dict[int, int] = {}
    for operator in subgraph.operators:
        if (
            operator_name(model, operator) == name
            and len(operator.inputs)
            and len(operator.outputs)
        ):
            pair = int(operator.inputs[0]), int(operator.outputs[0])
            before, after = pair if name == "QUANTIZE" else pair[::-1]
            changed.setdefault(before, after)
    return changed


def _steps(model: Any, named: list[tuple[str, int]], changed: dict[int, int]) -> dict[str, float]:
    """Return the step of each tensor that is quantized, or float and the other side of a change."""
    tensors = model.subgraphs[0].tensors
    steps = {}
    for name, index in named:
        other = tensors[changed[index]] if changed.get(index, -1) != -1 else None
        if _is_quantized(tensors[index]):
            steps[name] = 1.0
        elif other is not None and _is_quantized(other):
            steps[name] = step = float(other.quantization.scale[0])
            if not 0 < step < math.inf:
                raise InvalidModelError(
                    f"quantization of tensor {quoted(tensor_name(other))}: "
                    f"its scale must be positive and finite, but is {step}"
                )
    return steps


def _dequantize(model: Any, tensor: Any, max_bytes: int) -> NDArray[np.float32]:
    """Return the real values of a constant."""
    quantization, shape = tensor.quantization, shape_of(tensor)
    what = f"quantization of tensor {quoted(tensor_name(tensor))}"
    stored = data_of(model, tensor)
    assert stored is not None
    values = stored.view(_WEIGHTS[tensor_type(tensor)])[: int(np.prod(shape, dtype=object))]
    if 4 * values.size > max_bytes:
        raise UnsupportedModelError(
            f"{what}: as float32 it takes {4 * values.size} bytes, "
            f"more than the {max_bytes} that the size of the file allows"
        )
    scales = np.asarray(quantization.scale, np.float32)
    zeros = np.asarray([0] if quantization.zeroPoint is None else quantization.zeroPoint, np.int64)
    if len(scales) > 1:
        axis = quantization.quantizedDimension
        if not 0 <= axis < len(shape) or shape[axis] != len(scales):
            raise InvalidModelError(
                f"{what}: {len(scales)} scales along dimension {axis} do not fit shape {shape}"
            )
        spread = [1] * len(shape)
        spread[axis] = len(scales)
        scales = scales.reshape(spread)
        if len(zeros) not in (1, shape[axis]):
            raise InvalidModelError(
                f"{what}: must have 1 or {shape[axis]} zero points, but has {len(zeros)}"
            )
        zeros = zeros if len(zeros) == 1 else zeros.reshape(spread)
    elif len(zeros) != 1:
        raise InvalidModelError(f"{what}: must have 1 zero point, but has {len(zeros)}")
    steps = values.reshape(shape).astype(np.float32) - zeros.astype(np.float32)  # exact
    real: NDArray[np.float32] = steps * scales
    return real


def _constant(model: Any, tensor: Any, values: NDArray[np.float32]) -> Any:
    """Return a new float32 tensor in place of ``tensor``."""
    schema = tflite_schema()
    model.buffers.append(schema.BufferT(data=values.reshape(-1).view(np.uint8)))
    return schema.TensorT(
        name=f"{tensor_name(tensor)}_float".encode(),
        type=schema.TensorType.FLOAT32,
        shape=tensor.shape,
        buffer=len(model.buffers) - 1,
    )
