from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ort_sparse import BlockCSR, InvalidArgumentError
from ort_sparse.bcsr import smallest_index_dtype

matrices = hnp.arrays(
    st.sampled_from([np.float32, np.float16]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0.0, 0.0, 0.0, -0.0, 1.5, -2.0, np.inf]),
)


@given(matrices, st.sampled_from([None, 1, 2, 3, 4]))
def test_dense_round_trip(dense, block_rows):
    if block_rows and dense.shape[0] % block_rows:
        with pytest.raises(InvalidArgumentError, match="block_rows: must divide"):
            BlockCSR.from_dense(dense, block_rows)
        return
    matrix = BlockCSR.from_dense(dense, block_rows)
    restored = matrix.to_dense()
    np.testing.assert_array_equal(restored, dense)
    assert restored.dtype == dense.dtype
    assert matrix.nnz == np.count_nonzero(dense)


@given(matrices)
def test_every_stored_block_has_a_nonzero(dense):
    for block_rows in (1, 2):
        if dense.shape[0] % block_rows == 0:
            matrix = BlockCSR.from_dense(dense, block_rows)
            assert (matrix.values != 0).any(axis=1).all()


@pytest.mark.parametrize("block_rows", [1, 2, 4])
def test_finds_the_block_height_of_the_zeros(block_rows):
    rng = np.random.default_rng(0)
    occupied = np.repeat(rng.random((32 // block_rows, 64)) < 0.2, block_rows, axis=0)
    dense = np.where(occupied, rng.standard_normal((32, 64)), 0).astype(np.float32)
    assert BlockCSR.from_dense(dense).block_rows == block_rows


def test_nan_is_a_nonzero():
    dense = np.array([[0, np.nan]], np.float32)
    assert BlockCSR.from_dense(dense).nnz == 1


@pytest.mark.parametrize(
    ("largest", "dtype"),
    [(0, np.uint8), (255, np.uint8), (256, np.uint16), (65535, np.uint16), (65536, np.int32)],
)
def test_smallest_index_dtype(largest, dtype):
    assert smallest_index_dtype(largest) == dtype


@pytest.mark.parametrize("largest", [-1, 2**31])
def test_index_out_of_range(largest):
    with pytest.raises(InvalidArgumentError, match=f"found {largest}"):
        smallest_index_dtype(largest)


VALID = {
    "values": np.ones((3, 2), np.float32),
    "indices": np.array([0, 2, 1], np.uint8),
    "indptr": np.array([0, 2, 3], np.uint8),
    "shape": (4, 3),
    "block_rows": 2,
}

BROKEN = {
    "values of float64": ({"values": np.ones((3, 2))}, "values: must be float32 or float16"),
    "values too few": (
        {"values": np.ones((2, 2), np.float32)},
        r"values: must have shape \(3, 2\)",
    ),
    "values flat": ({"values": np.ones(6, np.float32)}, "values: must have shape"),
    "indices of int64": ({"indices": np.array([0, 2, 1])}, "indices: must be uint8"),
    "indices of rank 2": ({"indices": np.zeros((3, 1), np.uint8)}, "indices: must have rank 1"),
    "index too large": ({"indices": np.array([0, 3, 1], np.uint8)}, r"must lie in 0\.\.2"),
    "index negative": ({"indices": np.array([-1, 2, 1], np.int32)}, r"must lie in 0\.\.2"),
    "index twice": ({"indices": np.array([2, 2, 1], np.uint8)}, "strictly increasing"),
    "indices unsorted": ({"indices": np.array([2, 0, 1], np.uint8)}, "strictly increasing"),
    "indptr short": ({"indptr": np.array([0, 3], np.uint8)}, "indptr: must have 3 entries"),
    "indptr starts late": ({"indptr": np.array([1, 2, 3], np.uint8)}, "must start with 0"),
    "indptr ends early": ({"indptr": np.array([0, 2, 2], np.uint8)}, "must end with"),
    "indptr decreases": ({"indptr": np.array([0, 4, 3], np.uint8)}, "must not decrease"),
    "block_rows zero": ({"block_rows": 0}, "block_rows: must divide"),
    "block_rows no divisor": ({"block_rows": 3}, "block_rows: must divide"),
    "no columns": ({"shape": (4, 0)}, "shape: must be positive"),
    "too many columns": ({"shape": (4, 2**24 + 1)}, r"shape: must have at most 2\*\*24 columns"),
    "too many cells": ({"shape": (2**8, 2**24)}, r"shape: must have at most 2\*\*31-1 cells"),
    "block_rows too many": (
        {"block_rows": 65, "shape": (130, 5)},
        "block_rows: must be at most 64",
    ),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_refuses(change, message):
    BlockCSR(**VALID)
    with pytest.raises(InvalidArgumentError, match=message):
        BlockCSR(**{**VALID, **change})


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), (1, 2, 3)])
def test_refuses_dense_of_another_shape(shape):
    with pytest.raises(InvalidArgumentError, match="dense: must be a matrix"):
        BlockCSR.from_dense(np.zeros(shape, np.float32))


def test_arrays_are_read_only():
    matrix = BlockCSR.from_dense(np.eye(4, dtype=np.float32))
    with pytest.raises(ValueError, match="read-only"):
        matrix.values[0] = 2
