"""The native module lets go of each array that it was given, whether the call succeeds or not."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ort_sparse import BlockCSR, InvalidArgumentError
from ort_sparse.kernels import Conv, Layer, Pool
from ort_sparse.op import Activation, SparseConv1x1

X = np.ones((1, 4, 3, 3), np.float32)
LIKE_X = np.ones_like(X)
SMALLER = np.ones((1, 4, 3, 2), np.float32)
WIDER = X.astype(np.float64)
TINY = np.ones((1, 4, 1, 1), np.float32)
WEIGHTS = np.ones((4, 1, 3, 3), np.float32)
SQUARE = BlockCSR.from_dense(np.eye(4, dtype=np.float32))
BIAS = np.ones(4, np.float32)
PRELU = Activation("prelu")


def layer(**arrays):
    return Layer(SparseConv1x1(SQUARE, **arrays))


def conv(weights=WEIGHTS, **arrays):
    return Conv(weights, groups=4, **arrays)


def pool():
    return Pool("max", (3, 3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: layer(bias=BIAS, activation=PRELU, slope=BIAS),
        lambda: layer()(X, LIKE_X, out=LIKE_X),
        lambda: conv(bias=BIAS, activation=PRELU, slope=BIAS)(X),
        lambda: pool()(X),
    ],
)
def test_after_success(call):
    assert_lets_go(call)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Layer(SparseConv1x1(SQUARE, bias=BIAS), isa="none"),
        lambda: layer()(WIDER, out=LIKE_X),
        lambda: layer()(X, SMALLER, out=LIKE_X),
        lambda: layer()(X, out=SMALLER),
        lambda: conv(bias=BIAS, activation=PRELU, slope=BIAS.astype(np.float64)),
        lambda: Conv(np.ones((3, 1, 3, 3), np.float32), BIAS[:3], groups=2),
        lambda: conv(WIDER.reshape(4, 1, 3, 3)),
        lambda: conv()(WIDER),
        lambda: conv()(TINY),
        lambda: pool()(WIDER),
        lambda: pool()(TINY),
    ],
)
def test_after_an_error(call):
    def fail():
        with pytest.raises(InvalidArgumentError):
            call()

    assert_lets_go(fail)


def assert_lets_go(call):
    arrays = [X, LIKE_X, SMALLER, WIDER, TINY, WEIGHTS, BIAS, SQUARE.values, SQUARE.indices]
    call()  # what is made once and kept
    before = [sys.getrefcount(array) for array in arrays]
    for _ in range(3):
        call()
    assert [sys.getrefcount(array) for array in arrays] == before
