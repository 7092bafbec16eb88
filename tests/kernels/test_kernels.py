"""Every row of the microkernel table x epilogue x shape against float64 NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import magnitude, random_op, sparse_conv

from ort_sparse import BlockCSR, InvalidArgumentError
from ort_sparse.kernels import Layer, microkernels, supported_isas
from ort_sparse.op import ACTIVATIONS, Activation, SparseConv1x1

TOLERANCE = 1e-6  # of the sum of absolute values of the terms, as float32 rounding goes


def assert_matches(layer, op, x, residual=None):
    expected = sparse_conv(op, x, residual)
    scale = max(1.0, float(magnitude(op, x, residual).max(initial=0)))
    np.testing.assert_allclose(layer(x, residual), expected, rtol=0, atol=TOLERANCE * scale)


ROWS = [row for row in microkernels() if row.family == "spmm" and row.isa in supported_isas()]


def each_row(test):
    names = [f"{row.isa}-{row.block_rows}x{row.vectors}" for row in ROWS]
    return pytest.mark.parametrize("row", ROWS, ids=names)(test)


def activation_named(name):
    return Activation(name, -0.5, 1.5) if name == "clip" else Activation(name, alpha=0.2)


@each_row
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("missing", [0, 1])
def test_epilogues(row, activation, residual, missing):
    """One tile, so that no other microkernel runs."""
    rng = np.random.default_rng(1)
    op = random_op(rng, 24, 40, block_rows=row.block_rows, activation=activation_named(activation))
    pixels = row.vectors * row.lanes - missing
    x = rng.standard_normal((1, 40, pixels), np.float32)
    added = rng.standard_normal((1, 24, pixels), np.float32) if residual else None
    layer = Layer(op, isa=row.isa, vectors=row.vectors)
    assert layer.isa == row.isa
    assert_matches(layer, op, x, added)


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("block_rows", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("columns", [5, 40, 2100])
def test_one_pixel(isa, block_rows, activation, residual, columns):
    rng = np.random.default_rng(6)
    op = random_op(rng, 48, columns, block_rows=block_rows, activation=activation_named(activation))
    x = rng.standard_normal((1, columns), np.float32)
    added = rng.standard_normal((1, 48), np.float32) if residual else None
    assert_matches(Layer(op, isa=isa, pixels=1), op, x, added)


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize(
    "plane",
    [
        (),
        (1,),
        (2,),
        (3,),
        (15,),
        (16,),
        (17,),
        (7, 7),
        (14, 14),
        (28, 28),
        (56, 56),
        (3, 5, 7),
        (131,),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("hint", [0, 49, 3136])
def test_planes(isa, plane, batch, hint):
    rng = np.random.default_rng(2)
    op = random_op(rng, 20, 33, block_rows=1 + len(plane) % 2, activation=Activation("clip", 0, 6))
    x = rng.standard_normal((batch, 33, *plane), np.float32)
    assert_matches(Layer(op, isa=isa, pixels=hint), op, x)


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("plane", [(500, 176), (300, 299)])
def test_planes_beyond_the_caches(isa, plane):
    rng = np.random.default_rng(7)
    op = random_op(rng, 24, 17, activation=Activation("clip", 0, 6))
    x = rng.standard_normal((1, 17, *plane), np.float32)
    residual = rng.standard_normal((1, 24, *plane), np.float32)
    assert_matches(Layer(op, isa=isa, pixels=plane[0] * plane[1]), op, x, residual)


@each_row
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_any_shape(row, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    block_rows = row.block_rows * data.draw(st.sampled_from([1, 3]))
    rows = block_rows * data.draw(st.integers(1, 40))
    columns = data.draw(st.integers(1, 700))
    spatial = data.draw(st.integers(0, 3))
    strides = tuple(data.draw(st.integers(1, 3)) for _ in range(spatial))
    plane = tuple(data.draw(st.integers(1, 20)) for _ in range(spatial))
    op = random_op(
        rng,
        rows,
        columns,
        block_rows=block_rows,
        density=data.draw(st.sampled_from([0, 0.03, 0.2, 1])),
        dtype=data.draw(st.sampled_from([np.float32, np.float16])),
        bias=data.draw(st.booleans()),
        activation=activation_named(data.draw(st.sampled_from(ACTIVATIONS))),
        strides=strides,
    )
    x = rng.standard_normal((data.draw(st.integers(1, 4)), columns, *plane)).astype(np.float32)
    residual = None
    if data.draw(st.booleans()):
        residual = rng.standard_normal(sparse_conv(op, x).shape).astype(np.float32)
    pixels = data.draw(st.sampled_from([0, int(np.prod(plane))]))
    layer = Layer(op, isa=row.isa, pixels=pixels, vectors=row.vectors)
    assert_matches(layer, op, x, residual)


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("columns", [64, 512, 1100])
def test_output_in_the_residual(isa, columns):
    rng = np.random.default_rng(3)
    op = random_op(rng, 32, columns, activation=Activation("clip", 0, 6))
    x = rng.standard_normal((2, columns, 9, 9), np.float32)
    residual = rng.standard_normal((2, 32, 9, 9), np.float32)
    expected = sparse_conv(op, x, residual)
    Layer(op, isa=isa)(x, residual, out=residual)
    np.testing.assert_allclose(residual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("shape", [(1, 64, 56, 56), (3, 64, 7, 7), (5, 64), (1, 64)])
def test_bits_do_not_depend_on_threads(isa, shape):
    rng = np.random.default_rng(4)
    op = random_op(rng, 2048, 64, density=0.9, activation=Activation("silu"))
    x = rng.standard_normal(shape).astype(np.float32)
    layer = Layer(op, isa=isa)
    serial = layer(x, parallel=False)
    for _ in range(5):
        assert layer(x, parallel=True).tobytes() == serial.tobytes()


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("activation", ["silu", "sigmoid", "hard_swish"])
def test_activation_over_its_whole_range(isa, activation):
    op = SparseConv1x1(
        BlockCSR.from_dense(np.ones((1, 1), np.float32)), activation=Activation(activation)
    )
    x = np.linspace(-120, 120, 4001, dtype=np.float32).reshape(1, 1, -1)
    y = Layer(op, isa=isa)(x)
    # Hard swish cancels near -3, the others reach down to the smallest floats.
    atol = 1e-6 if activation == "hard_swish" else 1e-37
    np.testing.assert_allclose(y, sparse_conv(op, x), rtol=1e-6, atol=atol)


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_reaches_the_output(isa, activation):
    op = random_op(
        np.random.default_rng(0), 8, 8, density=1, activation=activation_named(activation)
    )
    x = np.zeros((1, 8, 21), np.float32)
    x[0, 3, 5] = np.nan
    y = Layer(op, isa=isa)(x)
    assert np.isnan(y[0, :, 5]).all()
    assert np.isfinite(np.delete(y, 5, axis=2)).all()


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("block_rows", [1, 2, 4])
@pytest.mark.parametrize("pixels", [1, 21])
def test_infinity_stays_with_its_channel(isa, block_rows, pixels):
    rng = np.random.default_rng(7)
    op = random_op(rng, 40, 30, block_rows=block_rows, density=0.3)
    x = rng.standard_normal((1, 30, pixels)).astype(np.float32)
    x[0, 4] = np.inf
    uses = op.weights.to_dense()[:, 4] != 0
    assert 0 < uses.sum() < 40
    y = Layer(op, isa=isa, pixels=pixels)(x)
    assert np.isinf(y[0, uses]).all()
    assert np.isfinite(y[0, ~uses]).all()


def test_time_computes():
    rng = np.random.default_rng(8)
    op = random_op(rng)
    x = rng.standard_normal((1, 24, 7), np.float32)
    y = np.zeros((1, 16, 7), np.float32)
    assert Layer(op).time(x, out=y) > 0
    np.testing.assert_array_equal(y, Layer(op)(x))


def test_zero_batch_and_empty_plane():
    op = random_op(np.random.default_rng(0))
    assert Layer(op)(np.zeros((0, 24, 7), np.float32)).shape == (0, 16, 7)
    assert Layer(op)(np.zeros((2, 24, 0), np.float32)).shape == (2, 16, 0)


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("block_rows", [1, 2, 4])
@pytest.mark.parametrize(
    ("rows", "columns", "density"),
    [(16, 256, 0.3), (64, 64, 0.3), (256, 40, 0.1), (128, 255, 0.1), (512, 512, 0.03)],
)
@pytest.mark.parametrize("pixels", [1, 49, 196, 3136])
def test_packed_weights_stay_small(isa, block_rows, rows, columns, density, pixels):
    op = random_op(np.random.default_rng(5), rows, columns, block_rows=block_rows, density=density)
    assert op.weights.values.size >= 950  # tables and padding weigh more in smaller layers
    assert Layer(op, isa=isa, pixels=pixels).packed_bytes <= 1.3 * op.weights.nbytes


def test_table_covers_every_supported_isa():
    for isa in supported_isas():
        assert {row.block_rows for row in ROWS if row.isa == isa} == {1, 2, 4}


def test_tile_without_a_microkernel():
    with pytest.raises(InvalidArgumentError, match="vectors: must be the tile of a microkernel"):
        Layer(random_op(np.random.default_rng(0)), vectors=7)


@pytest.mark.parametrize(("name", "why"), [("avx9", "nobody knows"), ("", None)])
def test_unknown_isa(name, why):
    op = random_op(np.random.default_rng(0))
    if why is None:
        assert Layer(op, isa=name).isa == supported_isas()[0]
        return
    with pytest.raises(InvalidArgumentError, match=f"^isa: .* is '{name}', which {why}"):
        Layer(op, isa=name)


def test_isa_of_another_architecture():
    foreign = "avx2" if "neon" in supported_isas() else "neon"
    with pytest.raises(InvalidArgumentError, match=f"^isa: .* is '{foreign}', which it lacks"):
        Layer(random_op(np.random.default_rng(0)), isa=foreign)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 23, 7), np.float32), "X: must have 24 channels on axis 1, but has 23"),
        (np.zeros((1, 24, 7), np.float64), "X: must be float32"),
        (np.zeros((24,), np.float32), "X: must have rank"),
        (np.zeros((1, 24, 1, 1, 1, 1), np.float32), "rank at most 5"),
        (np.zeros((1, 24, 14), np.float32)[:, :, ::2], "X: must be C-contiguous"),
        (np.zeros((1, 24, 7), ">f4"), "X: must be float32"),
        (np.zeros((1, 24, 7), object), "X: must be float32"),
        (np.zeros((1, 24, 7), "M8[s]"), "X: cannot be used: cannot include dtype 'M'"),
        (np.zeros((), np.float32), "X: must have rank"),
    ],
)
def test_refuses_input(x, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Layer(random_op(np.random.default_rng(0)))(x)


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.zeros((1, 16, 8), np.float32), "Y: must be float32 of the output's shape"),
        (np.zeros((1, 16), np.float32), "Y: must be float32 of the output's shape"),
        (np.zeros((1, 16, 7)), "Y: must be float32 of the output's shape"),
        (np.zeros((1, 16, 14), np.float32)[:, :, ::2], "out: must be C-contiguous"),
        (read_only(np.zeros((1, 16, 7), np.float32)), "Y: cannot be used: .* read-only"),
    ],
)
def test_refuses_output(out, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Layer(random_op(np.random.default_rng(0)))(np.zeros((1, 24, 7), np.float32), out=out)


@pytest.mark.parametrize("pixels", [-1, 2**31, 2**70])
def test_refuses_pixels(pixels):
    with pytest.raises(InvalidArgumentError, match=rf"pixels: must lie in .* but is {pixels}$"):
        Layer(random_op(np.random.default_rng(0)), pixels=pixels)


def test_refuses_residual():
    layer = Layer(random_op(np.random.default_rng(0)))
    x = np.zeros((1, 24, 7), np.float32)
    with pytest.raises(InvalidArgumentError, match="residual: must have the shape of Y"):
        layer(x, np.zeros((1, 16, 8), np.float32))
