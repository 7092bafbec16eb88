"""Block-CSR, the one sparse matrix of this project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidArgumentError

__all__ = [
    "CANDIDATE_BLOCK_ROWS",
    "MAX_BLOCK_ROWS",
    "MAX_CELLS",
    "MAX_COLUMNS",
    "BlockCSR",
    "smallest_index_dtype",
]

CANDIDATE_BLOCK_ROWS = (1, 2, 4)
"""Block heights that ``block_rows="auto"`` chooses from."""

MAX_COLUMNS = 2**24
MAX_CELLS = 2**31 - 1
"""Limits of a matrix, zeros counted."""

MAX_BLOCK_ROWS = 64
"""Greatest block height."""

_VALUE_DTYPES = (np.dtype(np.float32), np.dtype(np.float16))
_INDEX_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int32))


def smallest_index_dtype(largest: int) -> np.dtype[Any]:
    """Return the narrowest of uint8, uint16 and int32 that holds ``largest``.

    Raises
    ------
    InvalidArgumentError
        If ``largest`` is negative or does not fit int32.
    """
    if largest >= 0:
        for dtype in _INDEX_DTYPES:
            if largest <= np.iinfo(dtype).max:
                return dtype
    raise InvalidArgumentError(f"an index must lie in 0..2**31-1, but found {largest}")


@dataclass(frozen=True, eq=False)
class BlockCSR:
    """A sparse matrix in block-CSR form, with blocks of ``block_rows`` x 1.

    Block row ``r`` covers matrix rows ``r * block_rows`` to ``(r + 1) * block_rows - 1``. Its
    blocks are number ``indptr[r]`` to ``indptr[r + 1] - 1``; block ``j`` holds
    ``values[j, i]`` at row ``r * block_rows + i``, column ``indices[j]``. Cells without a block
    are zero. An instance is valid once constructed, and its arrays are read-only.

    Parameters
    ----------
    values : ndarray, shape (blocks, block_rows), float32 or float16
    indices : ndarray, shape (blocks,), uint8, uint16 or int32
        Column of each block; strictly increasing within a block row.
    indptr : ndarray, shape (rows / block_rows + 1,), uint8, uint16 or int32
    shape : (int, int)
        Rows (output channels) and columns (input channels), both positive; at most 2^24 columns
        and 2^31-1 cells.
    block_rows : int
        Block height, 1 to `MAX_BLOCK_ROWS`; divides the number of rows.

    Raises
    ------
    InvalidArgumentError
        If any of this does not hold.
    """

    values: NDArray[Any]
    indices: NDArray[Any]
    indptr: NDArray[Any]
    shape: tuple[int, int]
    block_rows: int

    def __post_init__(self) -> None:
        _check(self)
        for name in ("values", "indices", "indptr"):
            array = np.ascontiguousarray(getattr(self, name)).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def from_dense(cls, dense: NDArray[Any], block_rows: int | None = None) -> BlockCSR:
        """Compress a dense matrix, storing each block that has a nonzero.

        Parameters
        ----------
        dense : ndarray, shape (rows, columns), float32 or float16
            A negative zero counts as zero; NaN and infinities count as nonzero.
        block_rows : int, optional
            Block height. By default the one of `CANDIDATE_BLOCK_ROWS` whose arrays are the
            smallest, and the highest of those where several are.

        Raises
        ------
        InvalidArgumentError
            If the matrix is not of rank 2, is empty or of another dtype, or ``block_rows`` does
            not divide its rows.
        """
        dense = np.asarray(dense)
        if dense.ndim != 2 or 0 in dense.shape:
            raise InvalidArgumentError(
                f"dense: must be a matrix with rows and columns, but has shape {dense.shape}"
            )
        if block_rows is not None:
            return cls._compress(dense, block_rows)
        candidates = [
            cls._compress(dense, b) for b in CANDIDATE_BLOCK_ROWS if dense.shape[0] % b == 0
        ]
        return min(reversed(candidates), key=lambda matrix: matrix.nbytes)

    @classmethod
    def _compress(cls, dense: NDArray[Any], block_rows: int) -> BlockCSR:
        rows, columns = dense.shape
        if block_rows < 1 or rows % block_rows:
            raise InvalidArgumentError(
                f"block_rows: must divide the {rows} rows of the matrix, but is {block_rows}"
            )
        blocks = dense.reshape(rows // block_rows, block_rows, columns).transpose(0, 2, 1)
        occupied = (blocks != 0).any(axis=2)
        block_row, column = np.nonzero(occupied)
        indptr = np.zeros(rows // block_rows + 1, np.int64)
        np.cumsum(occupied.sum(axis=1), out=indptr[1:])
        return cls(
            values=blocks[block_row, column],
            indices=column.astype(smallest_index_dtype(columns - 1)),
            indptr=indptr.astype(smallest_index_dtype(int(indptr[-1]))),
            shape=(rows, columns),
            block_rows=block_rows,
        )

    def to_dense(self) -> NDArray[Any]:
        """Return the matrix as a dense array of shape ``shape`` and the dtype of ``values``."""
        rows, columns = self.shape
        blocks = np.zeros((rows // self.block_rows, columns, self.block_rows), self.values.dtype)
        blocks[self.block_row_of_each_block(), self.indices] = self.values
        return blocks.transpose(0, 2, 1).reshape(rows, columns)

    def block_row_of_each_block(self) -> NDArray[np.int64]:
        """Return the block row of each block, shape (blocks,)."""
        first = self.indptr.astype(np.int64)
        counts = first[1:] - first[:-1]
        return np.repeat(np.arange(counts.size), counts)

    @property
    def nnz(self) -> int:
        """Number of values that are not zero."""
        return int(np.count_nonzero(self.values))

    @property
    def density(self) -> float:
        """Share of the cells of the matrix that are not zero."""
        return self.nnz / (self.shape[0] * self.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of the three arrays."""
        return int(self.values.nbytes + self.indices.nbytes + self.indptr.nbytes)


def _check(matrix: BlockCSR) -> None:
    """Raise InvalidArgumentError unless ``matrix`` keeps every rule of its class."""

    def require(holds: bool, name: str, rule: str, found: object) -> None:
        if not holds:
            raise InvalidArgumentError(f"{name}: {rule}, but found {found}")

    rows, columns = matrix.shape
    values, indices, indptr = matrix.values, matrix.indices, matrix.indptr
    require(rows >= 1 and columns >= 1, "shape", "must be positive", matrix.shape)
    require(columns <= MAX_COLUMNS, "shape", "must have at most 2**24 columns", matrix.shape)
    require(rows * columns <= MAX_CELLS, "shape", "must have at most 2**31-1 cells", matrix.shape)
    require(
        matrix.block_rows >= 1 and rows % matrix.block_rows == 0,
        "block_rows",
        f"must divide the {rows} rows",
        matrix.block_rows,
    )
    require(
        matrix.block_rows <= MAX_BLOCK_ROWS,
        "block_rows",
        f"must be at most {MAX_BLOCK_ROWS}",
        matrix.block_rows,
    )
    require(values.dtype in _VALUE_DTYPES, "values", "must be float32 or float16", values.dtype)
    for name, array in (("indices", indices), ("indptr", indptr)):
        require(array.ndim == 1, name, "must have rank 1", f"rank {array.ndim}")
        require(array.dtype in _INDEX_DTYPES, name, "must be uint8, uint16 or int32", array.dtype)
    expected = (indices.size, matrix.block_rows)
    require(values.shape == expected, "values", f"must have shape {expected}", values.shape)
    block_rows = rows // matrix.block_rows
    require(
        indptr.size == block_rows + 1, "indptr", f"must have {block_rows + 1} entries", indptr.size
    )
    require(indptr[0] == 0, "indptr", "must start with 0", indptr[0])
    require(
        indptr[-1] == indices.size,
        "indptr",
        f"must end with the number of blocks, {indices.size}",
        indptr[-1],
    )
    steps = np.diff(indptr.astype(np.int64))
    require(bool((steps >= 0).all()), "indptr", "must not decrease", f"a step of {steps.min()}")
    if indices.size == 0:
        return
    low, high = int(indices.min()), int(indices.max())
    require(
        low >= 0 and high < columns, "indices", f"must lie in 0..{columns - 1}", f"{low}..{high}"
    )
    rising = np.diff(indices.astype(np.int64)) > 0
    starts = indptr[1:-1].astype(np.int64)
    row_starts = starts[(starts > 0) & (starts < indices.size)] - 1
    rising[row_starts] = True
    if not rising.all():
        block = int(np.argmin(rising)) + 1
        raise InvalidArgumentError(
            "indices: must be strictly increasing within a block row, "
            f"but block {block} is in column {indices[block]} after {indices[block - 1]}"
        )
