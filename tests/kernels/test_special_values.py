"""NaN, infinities, overflow, subnormals and zeros, as docs/SparseConv1x1.md defines them."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import activate, random_op

from ort_sparse import BlockCSR
from ort_sparse.kernels import Layer, supported_isas
from ort_sparse.op import ACTIVATIONS, Activation, SparseConv1x1

SMALLEST = np.float32(2.0**-149)
LARGEST = np.finfo(np.float32).max

every_isa = pytest.mark.parametrize("isa", supported_isas())
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def activation_named(name):
    return Activation(name, -0.5, 1.5) if name == "clip" else Activation(name, alpha=0.2)


def specified(op, x, residual):
    """Return Y in float64; unlike the shared oracle's, no product with an absent block exists."""
    weights = op.weights
    x = x.astype(np.float64)
    y = np.zeros((x.shape[0], weights.shape[0], *x.shape[2:]))
    for r in range(weights.shape[0] // weights.block_rows):
        for j in range(weights.indptr[r], weights.indptr[r + 1]):
            for i in range(weights.block_rows):
                y[:, r * weights.block_rows + i] += (
                    np.float64(weights.values[j, i]) * x[:, weights.indices[j]]
                )
    y += op.bias.astype(np.float64).reshape(1, -1, *[1] * (x.ndim - 2)) + residual
    return activate(y, op.activation, op.slope)


def one_weight(weight, activation=None):
    return SparseConv1x1(
        BlockCSR.from_dense(np.full((1, 1), weight, np.float32)),
        activation=activation or Activation(),
    )


@every_isa
@every_activation
@pytest.mark.parametrize("block_rows", [1, 2, 3, 4])
@pytest.mark.parametrize("columns", [40, 700])
def test_nan_and_infinities_reach_what_they_should(isa, activation, block_rows, columns):
    rng = np.random.default_rng(block_rows)
    op = random_op(
        rng,
        24,
        columns,
        block_rows=block_rows,
        density=4 / columns,
        activation=activation_named(activation),
    )
    op.bias[:3] = np.nan, np.inf, -np.inf
    if op.slope is not None:
        op.slope[5:8] = np.nan, np.inf, 0
    x = rng.standard_normal((2, columns, 5, 11), np.float32)
    residual = rng.standard_normal((2, 24, 5, 11), np.float32)
    for array in (x, residual):
        for value in (np.nan, np.inf, -np.inf, -0.0, SMALLEST):
            array[rng.random(array.shape) < 0.02] = value
    with np.errstate(invalid="ignore", over="ignore"):
        expected = specified(op, x, residual)
    assert np.isnan(expected).any()
    assert np.isfinite(expected).any()
    # Compares NaN with NaN and infinity with infinity, cell by cell.
    np.testing.assert_allclose(Layer(op, isa=isa)(x, residual), expected, rtol=1e-5, atol=1e-5)


AT_THE_ENDS = {  # of -inf, inf and NaN
    "none": (-np.inf, np.inf),
    "clip": (-0.5, 1.5),
    "hard_swish": (np.nan, np.inf),
    "silu": (np.nan, np.inf),
    "sigmoid": (0, 1),
    "leaky_relu": (-np.inf, np.inf),
}


@every_isa
@pytest.mark.parametrize("activation", AT_THE_ENDS)
def test_activations_at_the_ends(isa, activation):
    layer = Layer(one_weight(1, activation_named(activation)), isa=isa)
    x = np.array([-np.inf, np.inf, np.nan], np.float32).reshape(1, 1, 3)
    np.testing.assert_array_equal(layer(x).ravel(), [*AT_THE_ENDS[activation], np.nan])


@every_isa
@pytest.mark.parametrize("activation", AT_THE_ENDS)
def test_sums_too_large_become_infinite(isa, activation):
    layer = Layer(one_weight(2, activation_named(activation)), isa=isa)
    y = layer(np.array([-LARGEST, LARGEST], np.float32).reshape(1, 1, 2))
    np.testing.assert_array_equal(y.ravel(), AT_THE_ENDS[activation])


@every_isa
@pytest.mark.parametrize("activation", ["none", "leaky_relu", "clip"])
@pytest.mark.parametrize("weight", [1, -1, 0.5])
def test_subnormals_are_kept(isa, activation, weight):
    maximum = 1.0
    op = one_weight(weight, Activation(activation, -1, maximum, alpha=1))
    x = np.array([2, 4, 1000, 2**22, -8], np.float32) * SMALLEST
    assert (x != 0).all()
    np.testing.assert_array_equal(Layer(op, isa=isa)(x.reshape(1, 1, -1)).ravel(), x * weight)


@every_isa
@every_activation
def test_zeros_of_either_sign_are_zero(isa, activation):
    op = random_op(
        np.random.default_rng(0), 8, 8, bias=False, activation=activation_named(activation)
    )
    expected = 0.5 if activation == "sigmoid" else 0
    for zero in (0.0, -0.0):
        x = np.full((1, 8, 9), zero, np.float32)
        np.testing.assert_allclose(Layer(op, isa=isa)(x), expected, rtol=1e-6, atol=0)


@every_isa
@every_activation
@pytest.mark.parametrize("shape", [(0, 8), (0, 8, 7), (3, 8, 0), (2, 8, 0, 5), (0, 8, 0)])
def test_no_batch_or_no_pixels(isa, activation, shape):
    op = random_op(np.random.default_rng(0), 4, 8, activation=activation_named(activation))
    residual = np.zeros((shape[0], 4, *shape[2:]), np.float32)
    for added in (None, residual):
        y = Layer(op, isa=isa)(np.zeros(shape, np.float32), added)
        assert y.shape == residual.shape
