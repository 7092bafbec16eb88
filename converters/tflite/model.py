"""TFLite files as objects: read with every reference checked, and written again.

A model is a ``ModelT`` of ai_edge_litert's generated schema; its vectors are NumPy arrays.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np

from ort_sparse.errors import InvalidModelError, UnsupportedModelError, quoted

from ._dependencies import require, tflite_schema
from .flatbuffer import MAX_REUSE, verify_flatbuffer

__all__ = [
    "MAX_RANK",
    "builtin_code",
    "check_constant_size",
    "data_of",
    "operator_name",
    "pack_model",
    "read_model",
    "shape_of",
    "tensor_name",
    "tensor_type",
]

MAX_RANK = 32
"""Dimensions that a tensor may have; LiteRT's kernels take 8 at most."""

_BUFFER_ALIGNMENT = 16  # schema.fbs: Buffer.data is `force_align: 16`
_BITS = {
    **dict.fromkeys(("INT2",), 2),
    **dict.fromkeys(("INT4", "UINT4"), 4),
    **dict.fromkeys(("INT8", "UINT8", "BOOL", "FLOAT8_E4M3FN", "FLOAT8_E5M2"), 8),
    **dict.fromkeys(("INT16", "UINT16", "FLOAT16", "BFLOAT16"), 16),
    **dict.fromkeys(("INT32", "UINT32", "FLOAT32"), 32),
    **dict.fromkeys(("INT64", "UINT64", "FLOAT64", "COMPLEX64"), 64),
    "COMPLEX128": 128,
}


def read_model(data: bytes) -> Any:
    """Read a TFLite file.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    ModelT
        The model. Every index in it is in range, data stored outside the flatbuffer's tables is
        attached to its buffer, and each operator reads only what is there before it runs.

    Raises
    ------
    InvalidModelError
        If the file is damaged or contradicts itself.
    UnsupportedModelError
        If constants lie in another file.
    """
    verify_flatbuffer(data)
    try:
        model = tflite_schema().ModelT.InitFromPackedBuf(data)
    except (struct.error, IndexError, ValueError, TypeError, AttributeError) as error:
        raise InvalidModelError(f"damaged TFLite file: {error}") from error
    for name in ("operatorCodes", "subgraphs", "buffers", "signatureDefs", "metadata"):
        setattr(model, name, getattr(model, name) or [])
    for subgraph in model.subgraphs:
        for name in ("tensors", "inputs", "outputs", "operators"):
            _fill(subgraph, name)
        for operator in subgraph.operators:
            _fill(operator, "inputs")
            _fill(operator, "outputs")
    _attach_outside_data(model, data)
    _check_model(model)
    return model


def _fill(owner: Any, name: str) -> None:
    if getattr(owner, name) is None:
        setattr(owner, name, [])


def pack_model(model: Any) -> bytes:
    """Write a model as a TFLite file.

    Raises
    ------
    UnsupportedModelError
        If the file would exceed the 2 GB of a flatbuffer.
    """
    flatbuffers = require("flatbuffers")
    buffers = model.buffers
    size = sum(buffer.data.size for buffer in buffers if buffer.data is not None)
    try:
        builder = flatbuffers.Builder(size + 65536)
        model.buffers = [_AlignedBuffer(buffer) for buffer in buffers]
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())
    except (flatbuffers.builder.BuilderSizeError, OverflowError, struct.error) as error:
        raise UnsupportedModelError(
            "the model is too large: with its weights stored dense, "
            f"a TFLite file of {size} bytes or more would exceed 2 GB"
        ) from error
    finally:
        model.buffers = buffers


class _AlignedBuffer:
    """Writes a buffer where schema.fbs wants it; the generated class does not align."""

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer

    def Pack(self, builder: Any) -> Any:  # noqa: N802 (the name that ModelT calls)
        if self._buffer.data is not None:
            builder.Prep(_BUFFER_ALIGNMENT, len(self._buffer.data))
        return self._buffer.Pack(builder)


def operator_name(model: Any, operator: Any) -> str:
    """Return the operator's name as in schema.fbs, or its custom name."""
    schema = tflite_schema()
    code = builtin_code(model.operatorCodes[operator.opcodeIndex])
    if code == schema.BuiltinOperator.CUSTOM:
        return _text(model.operatorCodes[operator.opcodeIndex].customCode)
    return _name_of(schema.BuiltinOperator, code)


def builtin_code(operator_code: Any) -> int:
    """Return the number of the operator; new and old files store it in different fields."""
    return int(max(operator_code.deprecatedBuiltinCode, operator_code.builtinCode))


def tensor_name(tensor: Any) -> str:
    """Return the tensor's name as text."""
    return _text(tensor.name)


def tensor_type(tensor: Any) -> str:
    """Return the name of the tensor's element type as in schema.fbs."""
    return _name_of(tflite_schema().TensorType, tensor.type)


def shape_of(tensor: Any) -> tuple[int, ...]:
    """Return the tensor's shape; without one it is a scalar."""
    return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)


def data_of(model: Any, tensor: Any) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    """Return the bytes of a constant tensor; None if it is computed."""
    data = model.buffers[tensor.buffer].data
    return None if tensor.buffer == 0 or data is None or len(data) == 0 else data


def check_constant_size(tensor: Any, size: int) -> None:
    """Raise InvalidModelError if a dense constant needs more than ``size`` bytes."""
    bits = _BITS.get(tensor_type(tensor))
    if bits is None:
        return
    needed = -(-math.prod(shape_of(tensor)) * bits // 8)
    if size < needed:
        raise InvalidModelError(
            f"tensor {quoted(tensor_name(tensor))}: a constant of type {tensor_type(tensor)} and "
            f"shape {shape_of(tensor)} needs {needed} bytes, but its buffer has {size}"
        )


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


@functools.cache
def _name_of(enumeration: type, value: int) -> str:
    for name, number in vars(enumeration).items():
        if number == value and not name.startswith("_"):
            return name
    return f"number {value}"


def _attach_outside_data(model: Any, data: bytes) -> None:
    """Read buffers and options that files for more than 2 GB store behind the tables."""
    total = 0
    for index, buffer in enumerate(model.buffers):
        if buffer.offset > 1:
            buffer.data = _cut(data, buffer.offset, buffer.size, f"buffer {index}")
            total += buffer.size
        buffer.offset = buffer.size = 0
    for subgraph in model.subgraphs:
        for index, operator in enumerate(subgraph.operators):
            offset, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
            if offset > 1:
                operator.customOptions = _cut(data, offset, size, f"options of operator {index}")
                operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
                total += size
    if total > MAX_REUSE * len(data):
        raise InvalidModelError(
            f"damaged TFLite file: its buffers hold {total} bytes, "
            f"more than {MAX_REUSE} times the file"
        )


def _cut(data: bytes, offset: int, size: int, what: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if offset + size > len(data):
        raise InvalidModelError(
            f"damaged TFLite file: {what} has {size} bytes at {offset}, "
            f"but the file has {len(data)} bytes"
        )
    return np.frombuffer(data, np.uint8, size, offset)


def _check_model(model: Any) -> None:
    """Raise unless every index in the model is in range."""
    if not model.subgraphs:
        raise InvalidModelError("damaged TFLite file: it has no subgraph")
    for number, subgraph in enumerate(model.subgraphs):
        for tensor in subgraph.tensors:
            _check_tensor(model, tensor)
        count = len(subgraph.tensors)
        _check_indices(subgraph.inputs, 0, count, f"input of subgraph {number}")
        _check_indices(subgraph.outputs, 0, count, f"output of subgraph {number}")
        for index, operator in enumerate(subgraph.operators):
            what = f"operator {index} of subgraph {number}"
            codes = len(model.operatorCodes)
            _check_indices([operator.opcodeIndex], 0, codes, f"{what}: operator code")
            # -1 stands for an optional tensor that is left out
            _check_indices(operator.inputs, -1, count, f"{what}: input")
            _check_indices(operator.outputs, -1, count, f"{what}: output")
        _check_order(model, subgraph)
    for signature in model.signatureDefs:
        key = f"signature {quoted(_text(signature.signatureKey))}"
        _check_indices([signature.subgraphIndex], 0, len(model.subgraphs), f"{key}: subgraph")
        signature.inputs, signature.outputs = signature.inputs or [], signature.outputs or []
        tensors = len(model.subgraphs[signature.subgraphIndex].tensors)
        used = [entry.tensorIndex for entry in (*signature.inputs, *signature.outputs)]
        _check_indices(used, 0, tensors, f"{key}: tensor")


def _check_indices(indices: Iterable[int], low: int, end: int, what: str) -> None:
    for index in indices:
        if not low <= index < end:
            raise InvalidModelError(
                f"damaged TFLite file: {what} must lie in {low}..{end - 1}, but is {index}"
            )


def _check_tensor(model: Any, tensor: Any) -> None:
    name = tensor_name(tensor)
    _check_indices([tensor.buffer], 0, len(model.buffers), f"buffer of tensor {quoted(name)}")
    if tensor.externalBuffer:
        raise UnsupportedModelError(
            f"tensor {quoted(name)}: its data lies in another file, which is not supported"
        )
    rank = 0 if tensor.shape is None else len(tensor.shape)
    if rank > MAX_RANK:
        raise InvalidModelError(
            f"tensor {quoted(name)}: its rank must be at most {MAX_RANK}, but is {rank}"
        )
    shape, signature = shape_of(tensor), tensor.shapeSignature
    if any(size < 0 for size in shape):
        raise InvalidModelError(
            f"tensor {quoted(name)}: dimensions must not be negative, but its shape is {shape}"
        )
    if signature is None or len(signature) == 0:
        return
    if len(signature) != len(shape) or any(size < -1 for size in signature):
        raise InvalidModelError(
            f"tensor {quoted(name)}: its shape signature {tuple(signature[:MAX_RANK].tolist())} "
            f"does not fit its shape {shape}"
        )


def _check_order(model: Any, subgraph: Any) -> None:
    """Raise unless each operator reads only what is there before it runs."""
    ready = set(map(int, subgraph.inputs))
    for index, tensor in enumerate(subgraph.tensors):
        data = data_of(model, tensor)
        if data is not None and tensor.sparsity is None:
            check_constant_size(tensor, data.size)
        if data is not None and index in ready:
            raise InvalidModelError(f"input {quoted(tensor_name(tensor))}: must not be a constant")
        empty = tensor.sparsity is not None or 0 in shape_of(tensor)
        if data is not None or tensor.isVariable or empty:
            ready.add(index)
    produced = set(map(int, subgraph.inputs))
    for operator in subgraph.operators:
        name = operator_name(model, operator)
        for index in operator.inputs:
            if index != -1 and index not in ready:
                raise InvalidModelError(
                    f"tensor {quoted(tensor_name(subgraph.tensors[index]))}: operator {name} reads "
                    "it, but it has no data and nothing before that operator computes it"
                )
        for index in map(int, operator.outputs):
            if index in produced or data_of(model, subgraph.tensors[index]) is not None:
                raise InvalidModelError(
                    f"tensor {quoted(tensor_name(subgraph.tensors[index]))}: operator {name} "
                    "computes it, but it is a constant, an input, or computed before"
                )
            if index != -1:
                produced.add(index)
                ready.add(index)
