"""The dense convolution of few input channels against float64 NumPy, and ONNX Runtime's Conv."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from ort_sparse import InvalidArgumentError
from ort_sparse.kernels import Conv, supported_isas
from ort_sparse.op import ACTIVATIONS, Activation

TOLERANCE = 1e-6  # of the sum of absolute values of the terms

every_isa = pytest.mark.parametrize("isa", supported_isas())


def activation_named(name):
    return Activation(name, -0.5, 1.5) if name == "clip" else Activation(name, alpha=0.2)


def expected(x, weights, bias, **geometry):
    """Return the sums and the sums of absolute values, in float64."""
    x, weights, bias = (each.astype(np.float64) for each in (x, weights, bias))
    return (
        oracle.conv(x, weights, **geometry) + bias[:, None, None],
        oracle.conv(abs(x), abs(weights), **geometry) + abs(bias)[:, None, None],
    )


def assert_matches(y, x, weights, bias, activation, slope=None, **geometry):
    sums, magnitude = expected(x, weights, bias, **geometry)
    wanted = oracle.activate(sums, activation, slope)
    assert y.shape == wanted.shape
    scale = max(1.0, float(magnitude.max(initial=0)))
    np.testing.assert_allclose(y, wanted, rtol=0, atol=TOLERANCE * scale)


@every_isa
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_geometry(isa, data):
    def pair(least, most):
        return tuple(data.draw(st.integers(least, most)) for _ in range(2))

    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    groups, group_in, group_out = (data.draw(st.integers(1, most)) for most in (9, 4, 3))
    kernel, strides, dilations = pair(1, 5), pair(1, 3), pair(1, 3)
    pads = (*pair(0, 4), *pair(0, 4))
    height, width = (
        max(1, dilation * (size - 1) + 1 - begin - end) + data.draw(st.integers(0, 40))
        for size, dilation, begin, end in zip(kernel, dilations, pads[:2], pads[2:], strict=True)
    )
    name = data.draw(st.sampled_from(ACTIVATIONS))
    rows = groups * group_out
    weights = rng.standard_normal((rows, group_in, *kernel), np.float32)
    bias = rng.standard_normal(rows).astype(np.float32)
    slope = rng.standard_normal(rows).astype(np.float32) if name == "prelu" else None
    x = rng.standard_normal((data.draw(st.integers(1, 3)), groups * group_in, height, width))
    x = x.astype(np.float32)
    geometry = {"groups": groups, "strides": strides, "dilations": dilations, "pads": pads}
    layer = Conv(weights, bias, activation=activation_named(name), slope=slope, isa=isa, **geometry)
    y = layer(x, parallel=False)
    assert_matches(y, x, weights, bias, activation_named(name), slope, **geometry)
    assert layer(x).tobytes() == y.tobytes()  # whatever the number of threads


@every_isa
@pytest.mark.parametrize(
    ("channels", "size", "kernel", "stride"),
    [
        (32, 112, 3, 1),
        (96, 112, 3, 2),
        (144, 56, 3, 1),
        (192, 28, 5, 2),
        (480, 14, 5, 1),
        (960, 7, 3, 1),
    ],
)
def test_depthwise_layers_of_the_zoo(isa, channels, size, kernel, stride):
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((channels, 1, kernel, kernel), np.float32)
    bias = rng.standard_normal(channels).astype(np.float32)
    x = rng.standard_normal((1, channels, size, size), np.float32)
    pad = (kernel - 1) // 2  # TensorFlow's SAME with an even size pads one more behind
    geometry = {
        "groups": channels,
        "strides": (stride, stride),
        "pads": (pad - stride // 2, pad - stride // 2, pad, pad),
    }
    y = Conv(weights, bias, activation=Activation("clip", 0, 6), isa=isa, **geometry)(x)
    assert_matches(y, x, weights, bias, Activation("clip", 0, 6), **geometry, dilations=(1, 1))


@every_isa
@pytest.mark.parametrize("size", [(224, 224), (3, 4000), (500, 5)])
def test_inputs_that_take_several_blocks(isa, size):
    """A stem: three channels for every output, more than the scratch holds."""
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((8, 3, 3, 3), np.float32)
    x = rng.standard_normal((2, 3, *size), np.float32)
    geometry = {"groups": 1, "strides": (2, 2), "pads": (0, 0, 1, 1), "dilations": (1, 1)}
    y = Conv(weights, isa=isa, **geometry)(x)
    assert_matches(y, x, weights, np.zeros(8, np.float32), Activation(), **geometry)


@every_isa
def test_agrees_with_onnx_runtime(isa):
    rng = np.random.default_rng(3)
    weights = rng.standard_normal((24, 1, 5, 3), np.float32)
    bias = rng.standard_normal(24).astype(np.float32)
    x = rng.standard_normal((2, 12, 31, 23), np.float32)
    node = helper.make_node(
        "Conv",
        ["x", "w", "b"],
        ["y"],
        group=12,
        strides=[2, 1],
        dilations=[1, 2],
        pads=[2, 0, 1, 3],
    )
    graph = helper.make_graph(
        [node],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(weights, "w"), onnx.numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    layer = Conv(
        weights, bias, groups=12, strides=(2, 1), dilations=(1, 2), pads=(2, 0, 1, 3), isa=isa
    )
    np.testing.assert_allclose(layer(x), session.run(None, {"x": x})[0], rtol=0, atol=2e-5)


@every_isa
def test_infinity_and_nan_stay_with_their_pixels(isa):
    weights = np.ones((2, 1, 3, 3), np.float32)
    x = np.zeros((1, 2, 9, 21), np.float32)
    x[0, 0, 4, 10], x[0, 1, 0, 20] = np.nan, np.inf
    y = Conv(weights, groups=2, pads=(1, 1, 1, 1), isa=isa)(x)
    assert np.isnan(y[0, 0, 3:6, 9:12]).all()
    assert np.isinf(y[0, 1, :2, 19:]).all()
    assert np.isfinite(y).sum() == y.size - 9 - 4


def test_empty_batch():
    layer = Conv(np.ones((2, 1, 3, 3), np.float32), groups=2)
    assert layer(np.zeros((0, 2, 5, 5), np.float32)).shape == (0, 2, 3, 3)


WEIGHTS = np.ones((4, 1, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 3}, "groups: must divide the channels, but are 3 of 3 input and 4 output"),
        ({"groups": 0}, "groups: must divide the channels, but are 0"),
        ({"strides": (0, 1)}, "stride: must lie in 1..65536, but is 0"),
        ({"dilations": (1, 2**40)}, "dilation: must lie in 1..65536, but is 1099511627776"),
        ({"pads": (0, -1, 0, 0)}, "pad_begin: must lie in 0..65536, but is -1"),
        ({"pads": (0, 0)}, "pads: must be 4 numbers"),
        ({"slope": np.ones(4, np.float32)}, "slope: must be given with activation prelu"),
        ({"bias": np.ones(3, np.float32)}, r"bias: must have shape \(4,\), but has \(3,\)"),
        ({"bias": np.ones(4)}, "bias: must be float32, but is not"),
        ({"weights": np.ones((4, 1, 17, 17), np.float32)}, "kernel: must have at most 256 cells"),
        ({"weights": np.ones((4, 3), np.float32)}, "weights: must have rank 4"),
        ({"isa": "mmx"}, "isa: must be an instruction set of this CPU, but is 'mmx'"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Conv(**({"weights": WEIGHTS, "groups": 4} | arguments))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 3, 5, 5), np.float32), r"X: must be C-contiguous of shape \(batch, 4,"),
        (np.zeros((1, 4, 5, 5)), "X: must be float32"),
        (np.zeros((1, 4, 2, 5), np.float32), "X: must be at least 3 pixels high"),
        (np.zeros((1, 4, 5, 0), np.float32), "X: must be at least 3 pixels wide"),
    ],
)
def test_refuses_input(x, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Conv(WEIGHTS, groups=4)(x)


def test_refuses_what_the_scratch_cannot_hold():
    layer = Conv(WEIGHTS, groups=4, dilations=(1, 20000), pads=(0, 20000, 0, 20000))
    with pytest.raises(InvalidArgumentError, match="dilation: the kernel must span at most"):
        layer(np.zeros((1, 4, 3, 9), np.float32))
