from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ort_sparse.errors import InvalidArgumentError
from ort_sparse.zoo.prune import prune


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[np.float32], float, int]:
    block_rows = draw(st.sampled_from((1, 2, 3, 4)))
    shape = (block_rows * draw(st.integers(1, 12)), draw(st.integers(1, 20)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.standard_normal(shape, np.float32), draw(st.floats(0, 1)), block_rows


def as_blocks(matrix: NDArray[np.float32], block_rows: int) -> NDArray[np.float32]:
    """Return the blocks of a matrix, (blocks, block_rows)."""
    rows, columns = matrix.shape
    blocks = matrix.reshape(rows // block_rows, block_rows, columns)
    return blocks.transpose(0, 2, 1).reshape(-1, block_rows)


@given(cases())
def test_prunes_the_stated_number_of_whole_blocks(
    case: tuple[NDArray[np.float32], float, int],
) -> None:
    weights, sparsity, block_rows = case
    blocks = as_blocks(prune(weights, sparsity, block_rows), block_rows)
    zeros = (blocks == 0).sum(axis=1)
    assert set(zeros) <= {0, block_rows}
    assert (zeros > 0).sum() == round(sparsity * len(blocks))


@given(cases())
def test_keeps_the_largest_blocks_unchanged(case: tuple[NDArray[np.float32], float, int]) -> None:
    weights, sparsity, block_rows = case
    before = as_blocks(weights, block_rows)
    after = as_blocks(prune(weights, sparsity, block_rows), block_rows)
    kept = (after != 0).any(axis=1)
    np.testing.assert_array_equal(after[kept], before[kept])
    magnitude = np.abs(before).sum(axis=1)
    if kept.any() and not kept.all():
        assert magnitude[kept].min() >= magnitude[~kept].max()


def test_leaves_its_argument_alone() -> None:
    weights = np.ones((4, 4), np.float32)
    pruned = prune(weights, 0.5)
    assert pruned.dtype == np.float32
    assert np.count_nonzero(pruned) == 8
    assert (weights == 1).all()


@pytest.mark.parametrize(
    ("shape", "sparsity", "block_rows", "message"),
    [
        ((4,), 0.5, 1, "weights"),
        ((4, 4), -0.1, 1, "sparsity"),
        ((4, 4), 1.1, 1, "sparsity"),
        ((4, 4), float("nan"), 1, "sparsity"),
        ((4, 4), 0.5, 3, "block_rows"),
        ((4, 4), 0.5, 0, "block_rows"),
    ],
)
def test_refuses_bad_arguments(
    shape: tuple[int, ...], sparsity: float, block_rows: int, message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        prune(np.ones(shape, np.float32), sparsity, block_rows)
