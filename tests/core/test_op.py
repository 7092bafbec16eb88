from __future__ import annotations

import numpy as np
import onnx
import pytest
from models import sparse_model
from oracle import random_op

import ort_sparse
from ort_sparse import InvalidArgumentError
from ort_sparse.op import ACTIVATIONS, Activation, SparseConv1x1, output_shape


@pytest.fixture(autouse=True)
def schema():
    ort_sparse.register_schema()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_checker_accepts(activation, dtype):
    op = random_op(np.random.default_rng(0), dtype=dtype, activation=Activation(activation))
    model = sparse_model(op, ["n", 24, 7, 7])
    onnx.checker.check_model(model, full_check=True, check_custom_domain=True)


def test_checker_refuses_a_missing_attribute():
    model = sparse_model(random_op(np.random.default_rng(0)), ["n", 24, 7, 7])
    del model.graph.node[0].attribute[:]
    with pytest.raises(onnx.checker.ValidationError, match="in_channels"):
        onnx.checker.check_model(model, check_custom_domain=True)


@pytest.mark.parametrize(
    ("x_shape", "strides", "expected"),
    [
        (["n", 24], (), ["n", 16]),
        (["n", 24, "w"], (), ["n", 16, "w"]),
        ([2, 24, 7, 8], (2, 3), [2, 16, 4, 3]),
        ([2, 24, "h", 8], (2, 1), [2, 16, None, 8]),
        ([1, 24, 5, 6, 7], (), [1, 16, 5, 6, 7]),
    ],
)
def test_shape_inference(x_shape, strides, expected):
    op = random_op(np.random.default_rng(0), strides=strides)
    model = sparse_model(op, x_shape)
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    dims = inferred.graph.output[0].type.tensor_type.shape.dim
    sizes = [d.dim_param or d.dim_value for d in dims]
    # ONNX invents names that start with unk for unknown dimensions.
    assert [None if str(size).startswith("unk") else size for size in sizes] == expected


def test_node_round_trip():
    op = random_op(
        np.random.default_rng(0), block_rows=2, strides=(2, 1), activation=Activation("clip", 0, 6)
    )
    again = SparseConv1x1.from_node(op.attributes(), op.constants())
    assert again.attributes() == op.attributes()
    for name, array in op.constants().items():
        np.testing.assert_array_equal(again.constants()[name], array)


def test_defaults_are_left_out():
    assert random_op(np.random.default_rng(0)).attributes() == {"in_channels": 24}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": np.zeros(3, np.float32)}, r"bias: must be .* shape \(16,\)"),
        ({"bias": np.zeros(16)}, "bias: must be float32 or float16"),
        ({"slope": np.zeros(16, np.float32)}, "slope: must be given with activation prelu"),
        ({"activation": Activation("prelu")}, "slope: must be given with activation prelu"),
        ({"strides": (0,)}, "strides: must be at most 3 positive"),
        ({"strides": (2**31,)}, "strides: must be at most 3 positive"),
        ({"strides": (2**70,)}, "strides: must be at most 3 positive"),
        ({"strides": (1, 1, 1, 1)}, "strides: must be at most 3 positive"),
    ],
)
def test_refuses(change, message):
    op = random_op(np.random.default_rng(0))
    with pytest.raises(InvalidArgumentError, match=message):
        SparseConv1x1(**{"weights": op.weights, "bias": op.bias, **change})


def test_refuses_an_activation():
    with pytest.raises(InvalidArgumentError, match=r"must be one of none, clip.*'gelu'"):
        Activation("gelu")
    with pytest.raises(InvalidArgumentError, match="at most activation_max"):
        Activation("clip", 1, 0)


def test_output_shape():
    assert output_shape((2, 3, 7, 8), 5, (2, 3)) == (2, 5, 4, 3)
    assert output_shape((2, 3), 5, ()) == (2, 5)
