"""TFLite models as tf2onnx can read them: no sparse constants, no two tensors of one name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ort_sparse.errors import InvalidModelError, UnsupportedModelError, quoted
from ort_sparse.limits import dense_limit

from ._dependencies import tflite_schema
from .fully_connected import flatten_inputs
from .model import (
    builtin_code,
    data_of,
    operator_name,
    pack_model,
    shape_of,
    tensor_name,
    tensor_type,
)
from .names import make_names_unique
from .sparsity import SparseTensorInfo, decode_sparse_tensor, describe_sparse_tensor

__all__ = ["densify", "prepare_for_tf2onnx", "sparse_tensors"]


def densify(model: Any, file_size: int) -> None:
    """Store every sparse constant of a model dense and drop its DENSIFY operators.

    Parameters
    ----------
    model : ModelT
        Changed in place. What a DENSIFY computed becomes a constant of the same name.
    file_size : int
        Bytes of the file it came from; dense constants may take 100 times that, or 64 MiB.

    Raises
    ------
    InvalidModelError
        If a sparse tensor contradicts itself, or a DENSIFY has no sparse constant to read.
    UnsupportedModelError
        If the dense constants would exceed the limit, or have another type than DENSIFY allows.
    """
    sparse: list[set[int]] = [set() for _ in model.subgraphs]
    for number, index, dense in _decode_all(model, file_size):
        _make_constant(model, model.subgraphs[number].tensors[index], dense)
        sparse[number].add(index)
    for subgraph, indices in zip(model.subgraphs, sparse, strict=True):
        _drop_densify(model, subgraph, indices)
    _check_constants(model, file_size)


def prepare_for_tf2onnx(model: Any) -> bytes:
    """Return a dense model as a file that tf2onnx converts right.

    Tensors get unique names, inputs and outputs those of the signature, and inputs of
    FULLY_CONNECTED get rank 2. The model is changed in place.

    Raises
    ------
    UnsupportedModelError
        If the model is too large for one file, or a FULLY_CONNECTED has no constant shape.
    """
    for code in model.operatorCodes:
        _store_code_in_both_fields(code)
    for subgraph in model.subgraphs:
        flatten_inputs(model, subgraph)
    make_names_unique(model)
    return pack_model(model)


def sparse_tensors(model: Any, file_size: int) -> list[SparseTensorInfo]:
    """Describe every sparse tensor of a model; raises what `densify` does."""
    return [
        describe_sparse_tensor(model, model.subgraphs[number].tensors[index], dense)
        for number, index, dense in _decode_all(model, file_size)
    ]


def _decode_all(model: Any, file_size: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Yield subgraph, tensor and dense form of each sparse tensor, within the limit for all."""
    budget = dense_limit(file_size)
    for number, subgraph in enumerate(model.subgraphs):
        for index, tensor in enumerate(subgraph.tensors):
            if tensor.sparsity is not None:
                dense = decode_sparse_tensor(model, tensor, budget)
                budget -= dense.nbytes
                yield number, index, dense


def _check_constants(model: Any, file_size: int) -> None:
    """Raise UnsupportedModelError if constants that share a buffer are too many.

    ONNX has a copy for each.
    """
    total = 0
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            data = data_of(model, tensor)
            total += 0 if data is None else data.nbytes
    if total > dense_limit(file_size):
        raise UnsupportedModelError(
            f"the constants of all tensors take {total} bytes, more than "
            f"the {dense_limit(file_size)} bytes that the size of the file allows"
        )


def _make_constant(model: Any, tensor: Any, dense: NDArray[Any]) -> None:
    """Give ``tensor`` a buffer of its own; others may share the one it has."""
    model.buffers.append(tflite_schema().BufferT(data=dense.reshape(-1).view(np.uint8)))
    tensor.buffer = len(model.buffers) - 1
    tensor.sparsity = None


def _drop_densify(model: Any, subgraph: Any, sparse: set[int]) -> None:
    """Turn the outputs of DENSIFY operators into constants, and drop the operators."""
    kept = []
    for operator in subgraph.operators:
        if operator_name(model, operator) == "DENSIFY":
            _replace_by_constant(subgraph, operator, sparse)
        else:
            kept.append(operator)
    subgraph.operators = kept
    read = {int(index) for operator in kept for index in operator.inputs}
    for index in sparse - read - {int(index) for index in subgraph.outputs}:
        subgraph.tensors[index].buffer = 0


def _replace_by_constant(subgraph: Any, operator: Any, sparse: set[int]) -> None:
    tensors = [*operator.inputs, *operator.outputs]
    if len(operator.inputs) != 1 or len(operator.outputs) != 1 or -1 in tensors:
        raise InvalidModelError(
            "operator DENSIFY: must have one input and one output, but has tensors "
            f"{list(map(int, operator.inputs))} and {list(map(int, operator.outputs))}"
        )
    source = subgraph.tensors[operator.inputs[0]]
    target = subgraph.tensors[operator.outputs[0]]
    if operator.inputs[0] not in sparse:
        raise InvalidModelError(
            f"tensor {quoted(tensor_name(source))}: DENSIFY reads it, "
            "so it must be a sparse constant"
        )
    if target.type != source.type or shape_of(target) != shape_of(source):
        raise InvalidModelError(
            f"tensor {quoted(tensor_name(target))}: must be {tensor_type(source)} of shape "
            f"{shape_of(source)} as what DENSIFY reads, but is {tensor_type(target)} of shape "
            f"{shape_of(target)}"
        )
    target.buffer = source.buffer


def _store_code_in_both_fields(code: Any) -> None:
    """Store the operator's number as new and as old readers expect it."""
    code.builtinCode = builtin_code(code)
    placeholder = tflite_schema().BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
    code.deprecatedBuiltinCode = min(code.builtinCode, placeholder)
    if code.builtinCode < 0:
        raise UnsupportedModelError(f"operator number {code.builtinCode} does not exist")
