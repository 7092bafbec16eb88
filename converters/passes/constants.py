"""Constant values of a graph: their arrays, their precision, and new ones."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ort_sparse.errors import InvalidModelError

from .folding import fold

__all__ = [
    "ConstantPool",
    "constant_array",
    "constant_nbytes",
    "default_array",
    "exact_float16",
    "per_channel",
    "scalar",
]

_MAX_CHAIN = 16


def constant_array(value: ir.Value | None) -> NDArray[Any] | None:
    """Return the array that ``value`` always has, or None where it is not constant.

    Initializers, Constant nodes, and chains of reshaping, casting and dequantizing nodes behind
    them are constant. An initializer that is also a graph input can be overridden and is not.

    Raises
    ------
    InvalidModelError
        If the data of a constant cannot be read, or a chain cannot be evaluated.
    """
    return None if value is None else _array(value, _MAX_CHAIN)


def default_array(value: ir.Value) -> NDArray[Any] | None:
    """Return what a graph input holds if a caller gives nothing; None where it has no default.

    Raises
    ------
    InvalidModelError
        If its data cannot be read.
    """
    return None if value.const_value is None else _stored(value, value.const_value)


def constant_nbytes(value: ir.Value) -> int:
    """Return the bytes that the model holds for a constant ``value``, before any folding."""
    tensor = ir.convenience.get_const_tensor(value)
    while tensor is None:
        producer = value.producer()
        source = producer.inputs[0] if producer is not None else None
        if source is None:
            return 0
        value, tensor = source, ir.convenience.get_const_tensor(source)
    return tensor.nbytes


def exact_float16(array: NDArray[Any]) -> NDArray[Any]:
    """Return float32 ``array`` as float16 if that loses nothing, and unchanged otherwise.

    An array with a NaN stays as it is, because the payload of a NaN may not survive.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), array) else array


def per_channel(
    array: NDArray[Any], channels: int, shape: ir.Shape | None, axis: int | None
) -> NDArray[np.float32] | None:
    """Return the one number for each channel that ``array`` means, or None.

    Parameters
    ----------
    array : ndarray
        An operand that is broadcast to a tensor with channels along ``axis``.
    channels : int
    shape : onnx_ir.Shape or None
        Shape of that tensor; only its rank is used. None if unknown.
    axis : int or None
        None where no axis holds the channels.

    Returns
    -------
    ndarray, shape (channels,), float32, or None
        None where the operand varies along another axis, or broadcasting would change the shape.
    """
    if shape is None or axis is None or array.dtype != np.float32 or array.ndim > len(shape):
        return None
    sizes = [1] * (len(shape) - array.ndim) + list(array.shape)
    if sizes.pop(axis) not in (1, channels) or any(size != 1 for size in sizes):
        return None
    return np.broadcast_to(array.reshape(-1), channels).astype(np.float32)


def scalar(value: ir.Value | None) -> float | None:
    """Return a constant with one element as a number; None where ``value`` is not one."""
    array = constant_array(value)
    return float(array.item()) if array is not None and array.size == 1 else None


class ConstantPool:
    """Adds initializers to a graph, under names of their own and equal ones only once."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._names = set(ir.convenience.create_value_mapping(graph))
        self._values: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}

    def add(self, name: str, array: NDArray[Any]) -> ir.Value:
        """Return an initializer that holds ``array``, named ``name`` if it is new."""
        array = np.ascontiguousarray(array)
        key = (str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in self._values:
            tensor = ir.tensor(array, name=self._unique(name))
            value = ir.Value(
                name=tensor.name,
                shape=ir.Shape(array.shape),
                type=ir.TensorType(tensor.dtype),
                const_value=tensor,
            )
            self._graph.register_initializer(value)
            self._values[key] = value
        return self._values[key]

    def _unique(self, name: str) -> str:
        candidate, number = name, 1
        while candidate in self._names:
            number += 1
            candidate = f"{name}_{number}"
        self._names.add(candidate)
        return candidate


def _stored(value: ir.Value, tensor: ir.TensorProtocol) -> NDArray[Any]:
    try:
        return tensor.numpy()
    except Exception as error:  # onnx_ir raises what the file system and NumPy raise
        raise InvalidModelError(f"constant {value.name!r}: cannot be read: {error}") from error


def _array(value: ir.Value, depth: int) -> NDArray[Any] | None:
    if value.is_graph_input():
        return None
    tensor = ir.convenience.get_const_tensor(value)
    if tensor is not None:
        return _stored(value, tensor)
    node = value.producer()
    if node is None or depth == 0:
        return None
    arrays = []
    for source in node.inputs:
        array = None if source is None else _array(source, depth - 1)
        if array is None:
            return None
        arrays.append(array)
    try:
        outputs = fold(node, arrays)
    except (IndexError, ValueError) as error:
        raise InvalidModelError(
            f"node {node.name!r}: {node.op_type} of constants cannot be computed: {error}"
        ) from error
    return None if outputs is None else outputs[value.index() or 0]
