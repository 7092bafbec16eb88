from __future__ import annotations

import numpy as np
import onnx
import pytest
from models import sparse_model
from onnx import TensorProto, helper, numpy_helper
from oracle import random_op

from ort_sparse import (
    InvalidArgumentError,
    InvalidModelError,
    UnsupportedModelError,
    VerificationError,
    verify,
)
from ort_sparse.verification import compare, inputs_of, random_inputs


def scaled(factor, shape=("n", 3), output="y"):
    constant = numpy_helper.from_array(np.array(factor, np.float32), "c")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "c"], [output])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [constant],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_equal_models():
    model = sparse_model(random_op(np.random.default_rng(0)), ["n", 24, 5])
    assert verify(model, model, batch=3).error == 0


def test_a_small_difference_passes_and_a_large_one_does_not():
    assert verify(scaled(1), scaled(1 + 1e-6)).passed
    message = (
        r"^model \(ONNX Runtime\) against model \(ONNX Runtime\) on 3 random inputs of seed 0: "
        r"1 of 1 outputs differ; the worst is 'y' \(1 x 3\), which may differ by 2e-05 of its "
        r"values by rank, or by 16 times what rounding its inputs changes, but differs by 9.*e-05, "
        r"0.0001 of its largest value 0.9.*. To accept that: --tolerance 1.1e-04 \(tolerance=\). "
        r"To compare on other inputs: --seed, --batch, --shape \(seed=, batch=, shapes=\)$"
    )
    with pytest.raises(VerificationError, match=message):
        verify(scaled(1), scaled(1 + 1e-4))


def test_reports_how_far_apart():
    (output,) = compare(scaled(1), scaled(1.5), batch=2).outputs
    assert output.shape == (2, 3)
    assert output.error == pytest.approx(0.5)


@pytest.mark.parametrize("factor", [np.nan, np.inf])
def test_nan_and_infinity(factor):
    assert not compare(scaled(1), scaled(factor)).passed
    assert not compare(scaled(factor), scaled(1)).passed
    assert compare(scaled(factor), scaled(factor)).passed


def test_all_zeros_are_equal_to_zeros_only():
    assert compare(scaled(0), scaled(0)).passed
    assert not compare(scaled(0), scaled(1e-9)).passed


def test_outputs_with_other_names():
    assert compare(scaled(1, output="a"), scaled(1, output="b")).passed


def test_other_inputs():
    with pytest.raises(InvalidArgumentError, match=r"input 'x' must be float32 of shape \(1, 3\)"):
        compare(scaled(1), scaled(1, shape=("n", 4)))


def test_a_model_that_cannot_be_loaded():
    model = scaled(1)
    model.graph.node[0].op_type = "Nonsense"
    with pytest.raises(InvalidModelError, match="onnxruntime cannot load it"):
        compare(scaled(1), model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": -1}, "tolerance: must be at least 0, but is -1"),
        ({"tolerance": float("nan")}, "tolerance: must be at least 0, but is nan"),
        ({"batch": 0}, "batch: must be a whole number of at least 1, but is 0"),
        ({"seed": -1}, "seed: must be a whole number of at least 0, but is -1"),
    ],
)
def test_refuses_options(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        compare(scaled(1), scaled(1), **options)


def test_inputs_are_limited():
    model = scaled(1, shape=(2**40, 2**20))
    with pytest.raises(UnsupportedModelError, match=r"input 'x': .* at most 67108864 elements"):
        compare(model, model)


def test_random_inputs_are_reproducible():
    inputs = inputs_of(scaled(1))
    first, again, other = (random_inputs(inputs, batch=4, seed=s)["x"] for s in (1, 1, 2))
    assert first.shape == (4, 3)
    assert (first == again).all()
    assert not (first == other).all()


def test_inputs_with_defaults_are_left_out():
    model = scaled(1)
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, []))
    assert [tensor.name for tensor in inputs_of(model)] == ["x"]
    assert onnx.checker.check_model(model) is None


def position_table(length=77):
    """Return a model that says any length and adds a table of a certain one."""
    model = scaled(1, shape=("n", "length", 3))
    table = numpy_helper.from_array(np.ones((length, 3), np.float32), "table")
    model.graph.initializer.append(table)
    model.graph.node[0].output[0] = "scaled"
    model.graph.node.append(helper.make_node("Add", ["scaled", "table"], ["y"]))
    return model


def test_dynamic_sizes_that_the_model_does_not_take():
    message = (
        r"onnxruntime cannot run it.*77 by 128; its inputs have dynamic sizes, .* these were "
        r"x=1,128,3\. To give sizes that it takes: --shape INPUT=1,77 "
        r"\(shapes={'INPUT': \(1, 77\)}\) or --batch"
    )
    with pytest.raises(UnsupportedModelError, match=message) as caught:
        verify(position_table(), position_table())
    assert "no-verify" not in str(caught.value)
    assert "nvalid model" not in str(caught.value)
    comparison = verify(position_table(), position_table(), shapes={"x": (2, 77, 3)})
    assert comparison.outputs[0].shape == (2, 77, 3)


def test_an_input_of_unknown_rank():
    model = scaled(1, shape=None)
    with pytest.raises(UnsupportedModelError, match=r"input 'x': the model does not say its shape"):
        verify(model, model)
    assert verify(model, model, shapes={"x": (5, 3)}).outputs[0].shape == (5, 3)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"z": (1, 3)}, r"shapes: must name inputs of the model \('x'\), but names 'z'"),
        ({"x": (1, 4)}, r"input 'x' must have a shape like \(-1, 3\) .* was given \(1, 4\)"),
        ({"x": (3,)}, r"input 'x' must have a shape like \(-1, 3\) .* was given \(3,\)"),
    ],
)
def test_shapes_that_do_not_fit(shapes, message):
    with pytest.raises(InvalidArgumentError, match=message):
        compare(scaled(1), scaled(1), shapes=shapes)


def test_three_inputs_of_a_seed():
    assert "on 3 random inputs of seed 5" in compare(scaled(1), scaled(1), seed=5).description
