"""Pooling against ONNX Runtime's MaxPool and AveragePool."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from ort_sparse import InvalidArgumentError
from ort_sparse.kernels import Pool, supported_isas

every_isa = pytest.mark.parametrize("isa", supported_isas())


def onnx_pool(x, kind, kernel, *, strides, dilations, pads, ceil_mode, count_include_pad):
    attributes = {
        "kernel_shape": kernel,
        "strides": strides,
        "dilations": dilations,
        "pads": pads,
        "ceil_mode": int(ceil_mode),
    }
    if kind == "average":
        attributes["count_include_pad"] = int(count_include_pad)
    operator = {"max": "MaxPool", "average": "AveragePool"}[kind]
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], **attributes)],
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * 4)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": x})[0]


def assert_matches(x, kind, kernel, isa, **geometry):
    wanted = onnx_pool(x, kind, kernel, **geometry)
    layer = Pool(kind, kernel, isa=isa, **geometry)
    y = layer(x, parallel=False)
    assert y.shape == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=0, atol=0 if kind == "max" else 2e-6)
    assert layer(x).tobytes() == y.tobytes()  # whatever the number of threads


@every_isa
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_any_geometry(isa, data):
    def pair(least, most):
        return tuple(data.draw(st.integers(least, most)) for _ in range(2))

    kind = data.draw(st.sampled_from(["max", "average"]))
    kernel, strides, dilations = pair(1, 5), pair(1, 4), pair(1, 4)
    pads = tuple(data.draw(st.integers(0, size - 1)) for size in kernel * 2)
    # Smaller than the kernel too, by less than a stride: ONNX Runtime has one window there.
    size = [
        max(1, d * (k - 1) + 1 - begin - end + data.draw(st.integers(1 - stride, 40)))
        for k, d, stride, begin, end in zip(
            kernel, dilations, strides, pads[:2], pads[2:], strict=True
        )
    ]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    batch, channels = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 5))
    assert_matches(
        rng.standard_normal((batch, channels, *size)).astype(np.float32),
        kind,
        kernel,
        isa,
        strides=strides,
        dilations=dilations,
        pads=pads,
        ceil_mode=data.draw(st.booleans()),
        count_include_pad=data.draw(st.booleans()),
    )


@every_isa
@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "pad"),
    [
        ((1, 64, 112, 112), (3, 3), 2, 1),
        ((2, 24, 56, 56), (2, 2), 2, 0),
        ((1, 40, 17, 17), (3, 3), 1, 1),
        ((1, 90, 14, 14), (5, 5), 1, 2),
        ((1, 70, 7, 7), (7, 7), 1, 0),
        ((1, 2, 300, 500), (130, 70), 37, 3),
        ((1, 2, 3, 50000), (1, 3), 3, 0),
        ((1, 1, 2, 90000), (2, 40000), 9, 0),
    ],
)
def test_layers_of_networks_and_large_ones(isa, kind, shape, kernel, stride, pad):
    x = np.random.default_rng(1).standard_normal(shape, np.float32)
    assert_matches(
        x,
        kind,
        kernel,
        isa,
        strides=(stride, stride),
        dilations=(1, 1),
        pads=tuple(min(pad, size - 1) for size in kernel * 2),
        ceil_mode=False,
        count_include_pad=False,
    )


@every_isa
def test_special_values(isa):
    """A maximum of NaN and numbers depends on their order; the rest is defined."""
    x = np.ones((1, 3, 8, 40), np.float32)
    x[0, 0, 4, 9], x[0, 0, 5, 30] = np.inf, -np.inf
    x[0, 1] = np.nan
    x[0, 2] = -np.inf
    y = Pool("max", (3, 3), strides=(2, 1), isa=isa)(x)
    assert (y[0, 0] == np.inf).sum() == 2 * 3
    assert (y[0, 0] == 1).sum() == y[0, 0].size - 2 * 3
    assert np.isnan(y[0, 1]).all()
    assert (y[0, 2] == -np.inf).all()
    y = Pool("average", (3, 3), isa=isa)(x)
    assert np.isposinf(y[0, 0]).sum() == 9
    assert np.isneginf(y[0, 0]).sum() == 9
    assert np.isnan(y[0, 1]).all()


@every_isa
@pytest.mark.parametrize(("kind", "wanted"), [("max", -np.finfo(np.float32).max), ("average", 0)])
def test_windows_of_padding_alone(isa, kind, wanted):
    x = np.ones((1, 1, 1, 2), np.float32)
    y = Pool(kind, (1, 2), dilations=(1, 3), pads=(0, 1, 0, 1), isa=isa)(x)
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 1), wanted, np.float32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "lp"}, "kind: must be max or average, but is 'lp'"),
        ({"kernel": (0, 3)}, "kernel: must lie in 1..2147483647, but is 0"),
        ({"kernel": (3,)}, "kernel: must be 2 numbers"),
        ({"strides": (1, 0)}, "stride: must lie in 1..2147483647, but is 0"),
        ({"dilations": (2**40, 1)}, "dilation: must lie in 1..2147483647, but is 1099511627776"),
        ({"pads": (0, 3, 0, 0)}, r"pad_begin: must lie in 0..2, but is 3"),
        ({"pads": (0, 0, -1, 0)}, r"pad_end: must lie in 0..2, but is -1"),
        ({"isa": "mmx"}, "isa: must be an instruction set of this CPU, but is 'mmx'"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Pool(**({"kind": "max", "kernel": (3, 3)} | arguments))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 3, 5), np.float32), r"X: must be C-contiguous of shape \(batch, channels,"),
        (np.zeros((1, 4, 5, 5)), "X: must be float32"),
        (np.zeros((1, 4, 0, 5), np.float32), r"X: must be 1..2\*\*31-1 pixels high, but is 0"),
        (np.zeros((1, 4, 5, 1), np.float32), "X: must with its padding be as wide as the kernel"),
    ],
)
def test_refuses_input(x, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Pool("max", (3, 3))(x)
