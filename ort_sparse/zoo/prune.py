"""Magnitude pruning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ort_sparse.errors import InvalidArgumentError

__all__ = ["prune"]


def prune(weights: NDArray[Any], sparsity: float, block_rows: int = 1) -> NDArray[Any]:
    """Return a copy of ``weights`` in which the blocks of least magnitude are zero.

    A block is ``block_rows`` neighbouring output channels by one input channel, and its magnitude
    is the sum of its absolute values (Zhu and Gupta 2017, arXiv:1710.01878, where blocks are
    single weights). Of blocks of equal magnitude the first go first.

    Parameters
    ----------
    weights : ndarray, shape (output channels, input channels), floating point
    sparsity : float
        Share of the blocks that become zero, in [0, 1], rounded to a whole number of blocks.
    block_rows : int
        Block height; divides the output channels.

    Raises
    ------
    InvalidArgumentError
        If an argument breaks these rules.
    """
    if weights.ndim != 2:
        raise InvalidArgumentError(f"weights: must be a matrix, but have shape {weights.shape}")
    rows, columns = weights.shape
    if not 0 <= sparsity <= 1:
        raise InvalidArgumentError(f"sparsity: must lie in [0, 1], but is {sparsity}")
    if block_rows < 1 or rows % block_rows:
        raise InvalidArgumentError(
            f"block_rows: must divide the {rows} output channels, but is {block_rows}"
        )
    blocks = weights.reshape(rows // block_rows, block_rows, columns)
    magnitude = np.abs(blocks).sum(axis=1)
    pruned = np.argsort(magnitude, axis=None, kind="stable")[: round(sparsity * magnitude.size)]
    keep = np.ones(magnitude.size, bool)
    keep[pruned] = False
    kept = np.where(keep.reshape(magnitude.shape)[:, None, :], blocks, 0)
    return kept.reshape(rows, columns).astype(weights.dtype, copy=False)
