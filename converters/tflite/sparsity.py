"""TFLite's sparse tensors: from levels, segments and indices to dense arrays.

The format follows "The Tensor Algebra Compiler" (Kjolstad et al., 2017), as
tensorflow/lite/schema/schema.fbs describes at ``SparsityParameters``: level l stores dimension
``traversal_order[l]``; a value below the rank is an original dimension counted in blocks, rank + b
is the dimension inside block b, which divides original dimension ``block_map[b]``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ort_sparse.errors import InvalidModelError, UnsupportedModelError, quoted

from ._dependencies import tflite_schema
from .model import MAX_RANK, data_of, shape_of, tensor_name, tensor_type

__all__ = [
    "SparseTensorInfo",
    "decode_sparse",
    "decode_sparse_tensor",
    "describe_sparse_tensor",
    "index_bytes",
]

# The element types of LiteRT's DENSIFY.
_DTYPES = {"FLOAT32": np.float32, "FLOAT16": np.float16, "INT8": np.int8}


@dataclass(frozen=True)
class SparseTensorInfo:
    """A sparse tensor in numbers.

    Parameters
    ----------
    name : str
    shape : tuple of int
        Of the dense tensor.
    dtype : numpy dtype
        float32, float16 or int8.
    zeros : int
        Cells of the dense tensor that are zero.
    stored_bytes : int
        Bytes of values, segments and indices in the file.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    zeros: int
    stored_bytes: int


@dataclass(frozen=True)
class _Level:
    """One level: ``size`` children of every node, or those that segments and indices list."""

    number: int
    size: int
    stride: int
    segments: NDArray[np.int64] | None = None
    indices: NDArray[np.int64] | None = None


class _Checker:
    """Raises errors that name the tensor."""

    def __init__(self, name: str) -> None:
        self._name = name

    def require(self, holds: bool, rule: str, found: object) -> None:
        if not holds:
            raise InvalidModelError(
                f"sparse tensor {quoted(self._name)}: {rule}, but found {found}"
            )


def decode_sparse_tensor(model: Any, tensor: Any, max_bytes: int) -> NDArray[Any]:
    """Return the dense form of a tensor that has sparsity parameters.

    Parameters
    ----------
    model : ModelT
    tensor : TensorT
    max_bytes : int
        Largest dense array, in bytes, to allocate.

    Returns
    -------
    ndarray, of the tensor's shape, float32, float16 or int8

    Raises
    ------
    InvalidModelError
        If the parameters contradict themselves, the shape or the values.
    UnsupportedModelError
        If the element type is another, or the dense array exceeds ``max_bytes``.
    """
    name, kind = tensor_name(tensor), tensor_type(tensor)
    if kind not in _DTYPES:
        raise UnsupportedModelError(
            f"sparse tensor {quoted(name)}: its type must be one of {', '.join(_DTYPES)}, "
            f"but is {kind}"
        )
    dtype = np.dtype(_DTYPES[kind])
    data = data_of(model, tensor)
    raw = np.zeros(0, np.uint8) if data is None else data
    _Checker(name).require(
        raw.size % dtype.itemsize == 0,
        f"the buffer must hold whole values of {dtype.itemsize} bytes",
        f"{raw.size} bytes",
    )
    return decode_sparse(
        raw.view(dtype), shape_of(tensor), tensor.sparsity, name=name, max_bytes=max_bytes
    )


def decode_sparse(
    values: NDArray[Any], shape: tuple[int, ...], sparsity: Any, *, name: str, max_bytes: int
) -> NDArray[Any]:
    """Return the dense array of sparse ``values``.

    Parameters
    ----------
    values : ndarray, shape (stored values,)
    shape : tuple of int
        Of the result.
    sparsity : SparsityParametersT
        Traversal order, block map and levels.
    name : str
        The tensor's name, for messages.
    max_bytes : int
        Largest result, in bytes, to allocate.

    Returns
    -------
    ndarray, shape ``shape``, dtype of ``values``
        Cells without a stored value are 0.

    Raises
    ------
    InvalidModelError
        If anything contradicts anything else.
    UnsupportedModelError
        If the result would exceed ``max_bytes``.
    """
    checker = _Checker(name)
    checker.require(len(shape) > 0, "must have a dimension", f"shape {shape}")
    checker.require(min(shape) > 0, "dimensions must be positive", f"shape {shape}")
    levels = _read_levels(shape, sparsity, checker)
    _check_counts(levels, values.size, checker)
    size = math.prod(shape) * values.itemsize
    if size > max_bytes:
        raise UnsupportedModelError(
            f"sparse tensor {quoted(name)}: its dense form of {size} bytes exceeds "
            f"the {max_bytes} bytes that the size of the file allows"
        )
    dense = np.zeros(math.prod(shape), values.dtype)
    dense[_cells(levels)] = values
    return dense.reshape(shape)


def describe_sparse_tensor(model: Any, tensor: Any, dense: NDArray[Any]) -> SparseTensorInfo:
    """Return a sparse tensor, whose dense form is ``dense``, in numbers."""
    data = data_of(model, tensor)
    stored = index_bytes(tensor.sparsity) + (0 if data is None else data.nbytes)
    return SparseTensorInfo(
        name=tensor_name(tensor),
        shape=dense.shape,
        dtype=dense.dtype,
        zeros=int(dense.size - np.count_nonzero(dense)),
        stored_bytes=int(stored),
    )


def index_bytes(sparsity: Any) -> int:
    """Return the bytes of all segments and indices of a sparse tensor."""
    vectors = [
        v for level in sparsity.dimMetadata for v in (level.arraySegments, level.arrayIndices)
    ]
    return sum(int(v.values.nbytes) for v in vectors if v is not None and v.values is not None)


def _read_levels(shape: tuple[int, ...], sparsity: Any, checker: _Checker) -> list[_Level]:
    """Return the levels in traversal order, each with its stride in the dense array."""
    rank = len(shape)
    order, metadata = sparsity.traversalOrder, sparsity.dimMetadata
    checker.require(order is not None, "traversal_order must be there", "none")
    checker.require(metadata is not None, "dim_metadata must be there", "none")
    blocks = 0 if sparsity.blockMap is None else len(sparsity.blockMap)
    checker.require(blocks <= MAX_RANK, f"block_map must have at most {MAX_RANK} entries", blocks)
    block_map = sparsity.blockMap.tolist() if blocks else []
    count = rank + len(block_map)
    checker.require(
        len(order) == count and len(metadata) == count,
        f"traversal_order and dim_metadata must have {count} entries (rank {rank} and "
        f"{len(block_map)} blocks)",
        f"{len(order)} and {len(metadata)}",
    )
    order = order.tolist()
    checker.require(
        sorted(order) == list(range(count)),
        f"traversal_order must be a permutation of 0..{count - 1}",
        order,
    )
    checker.require(
        all(0 <= axis < rank for axis in block_map),
        f"block_map must lie in 0..{rank - 1}",
        block_map,
    )
    sizes = _sizes(shape, order, metadata, block_map, checker)
    strides = _strides(shape, order, block_map, sizes)
    return [
        _read_level(number, metadata[number], sizes[dimension], strides[dimension], checker)
        for number, dimension in enumerate(order)
    ]


def _sizes(
    shape: tuple[int, ...],
    order: Sequence[int],
    metadata: Sequence[Any],
    block_map: Sequence[int],
    checker: _Checker,
) -> list[int]:
    """Return the size of each dimension: the original ones in blocks, then the blocks'."""
    dense = tflite_schema().DimensionType.DENSE
    rank = len(shape)
    sizes = list(shape)
    for block, axis in enumerate(block_map):
        number = order.index(rank + block)
        level = metadata[number]
        checker.require(
            level.format == dense,
            f"level {number} is inside a block and must be DENSE",
            f"format {level.format}",
        )
        checker.require(
            level.denseSize > 0 and sizes[axis] % level.denseSize == 0,
            f"the size of block {block} must be positive and divide dimension {axis}, "
            f"which is {shape[axis]}",
            level.denseSize,
        )
        sizes[axis] //= level.denseSize
        sizes.append(level.denseSize)
    return sizes


def _strides(
    shape: tuple[int, ...], order: Sequence[int], block_map: Sequence[int], sizes: Sequence[int]
) -> list[int]:
    """Return the distance in the dense array between neighbours along each dimension.

    Several blocks of one dimension nest in the order of their levels: each level makes
    ``index * block size + coordinate``.
    """
    rank = len(shape)
    next_stride = [math.prod(shape[axis + 1 :]) for axis in range(rank)]
    strides = [0] * len(sizes)
    for dimension in reversed(order):
        if dimension >= rank:
            axis = block_map[dimension - rank]
            strides[dimension] = next_stride[axis]
            next_stride[axis] *= sizes[dimension]
    strides[:rank] = next_stride
    return strides


def _read_level(number: int, metadata: Any, size: int, stride: int, checker: _Checker) -> _Level:
    kinds = tflite_schema().DimensionType
    if metadata.format == kinds.DENSE:
        checker.require(
            metadata.denseSize == size,
            f"level {number} is DENSE and must have size {size}",
            metadata.denseSize,
        )
        return _Level(number, size, stride)
    checker.require(
        metadata.format == kinds.SPARSE_CSR,
        f"level {number} must be DENSE or SPARSE_CSR",
        f"format {metadata.format}",
    )
    segments = _vector(metadata.arraySegments, f"segments of level {number}", checker)
    indices = _vector(metadata.arrayIndices, f"indices of level {number}", checker)
    _check_segments(number, segments, indices.size, checker)
    _check_indices(number, segments, indices, size, checker)
    return _Level(number, size, stride, segments, indices)


def _vector(vector: Any, what: str, checker: _Checker) -> NDArray[np.int64]:
    present = vector is not None and vector.values is not None
    checker.require(present, f"{what} must be there", "none")
    return np.asarray(vector.values, np.int64)


def _check_segments(
    number: int, segments: NDArray[np.int64], indices: int, checker: _Checker
) -> None:
    checker.require(segments.size > 0, f"segments of level {number} must not be empty", "none")
    checker.require(segments[0] == 0, f"segments of level {number} must start with 0", segments[0])
    steps = np.diff(segments)
    checker.require(
        bool((steps >= 0).all()),
        f"segments of level {number} must not decrease",
        f"a step of {steps.min(initial=0)}",
    )
    checker.require(
        segments[-1] == indices,
        f"segments of level {number} must end with its number of indices, {indices}",
        segments[-1],
    )


def _check_indices(
    number: int,
    segments: NDArray[np.int64],
    indices: NDArray[np.int64],
    size: int,
    checker: _Checker,
) -> None:
    if indices.size == 0:
        return
    low, high = int(indices.min()), int(indices.max())
    checker.require(
        low >= 0 and high < size,
        f"indices of level {number} must lie in 0..{size - 1}",
        f"{low}..{high}",
    )
    rising = np.diff(indices) > 0
    starts = segments[1:-1]
    rising[starts[(starts > 0) & (starts < indices.size)] - 1] = True
    checker.require(
        bool(rising.all()),
        f"indices of level {number} must be strictly increasing within a segment",
        f"entry {int(np.argmin(rising)) + 1} out of order" if rising.size else "none",
    )


def _check_counts(levels: Sequence[_Level], values: int, checker: _Checker) -> None:
    """Check the number of nodes of each level, before memory is taken for them."""
    nodes = 1
    for level in levels:
        if level.segments is None or level.indices is None:
            nodes *= level.size
            continue
        checker.require(
            level.segments.size == nodes + 1,
            f"level {level.number} must have {nodes + 1} segments",
            level.segments.size,
        )
        nodes = level.indices.size
    checker.require(values == nodes, f"the buffer must hold {nodes} values", values)


def _cells(levels: Sequence[_Level]) -> NDArray[np.int64]:
    """Return the position in the dense array of each leaf, in the order of the values."""
    cells = np.zeros(1, np.int64)
    for level in levels:
        if level.segments is None or level.indices is None:
            children = np.arange(level.size, dtype=np.int64) * level.stride
            cells = (cells[:, np.newaxis] + children).reshape(-1)
        else:
            cells = np.repeat(cells, np.diff(level.segments)) + level.indices * level.stride
    return cells
