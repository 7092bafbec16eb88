"""Quantized TFLite files: recognized, and with float32 in place of int8 weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

pytest.importorskip("tf2onnx", reason="needs the extra tflite")
pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")
from ai_edge_litert import schema_py_generated as schema
from tensorflow_models import build
from tflite_builder import FileBuilder

import ort_sparse
from ort_sparse.converters.tflite import (
    convert_tflite,
    quantization_of,
    run,
    signature,
    with_float_weights,
)
from ort_sparse.errors import InvalidModelError, UnsupportedModelError

RNG = np.random.default_rng(0)
WEIGHTS = RNG.integers(-127, 128, (4, 8)).astype(np.int8)


def dynamic_range_layer(
    scale: list[float], zero_point: list[int], axis: int = 0
) -> tuple[bytes, NDArray[np.int8]]:
    """A FULLY_CONNECTED from 8 to 4 channels with int8 weights."""
    file = FileBuilder()
    x, y = file.tensor("x", (3, 8)), file.tensor("y", (3, 4))
    weights = file.constant("weights", WEIGHTS)
    bias = file.constant("bias", np.arange(4, dtype=np.float32))
    file.subgraph.tensors[weights].quantization = schema.QuantizationParametersT(
        scale=np.array(scale, np.float32),
        zeroPoint=np.array(zero_point, np.int64),
        quantizedDimension=axis,
    )
    options = schema.FullyConnectedOptionsT(asymmetricQuantizeInputs=True)
    file.operator("FULLY_CONNECTED", [x, weights, bias], [y], options)
    return file.finish([x], [y]), WEIGHTS


@pytest.mark.parametrize(
    ("name", "on_the_fly", "in_integers", "input_step", "output_step"),
    [
        ("gelu", False, False, None, None),
        ("dynamic_range", True, False, None, None),
        ("full_integer", False, True, pytest.approx(2 / 255, rel=0.02), pytest.approx(0, abs=0.1)),
        ("full_integer_inputs", False, True, 1, 1),
        ("int16", False, True, pytest.approx(1 / 32767, rel=0.02), pytest.approx(0, abs=0.1)),
    ],
)
def test_kinds(
    name: str, on_the_fly: bool, in_integers: bool, input_step: Any, output_step: Any
) -> None:
    found = quantization_of(build(name))
    assert found.quantizes_on_the_fly == on_the_fly
    assert found.computes_in_integers == in_integers
    assert found.input_steps.get("image") == input_step
    (output,) = signature(build(name)).outputs
    assert found.output_steps.get(output.name) == output_step


@pytest.mark.parametrize(
    ("scale", "zero_point"),
    [([0.01], [0]), ([0.01], [3]), ([0.01, 0.02, 0.03, 0.04], [0, 1, -2, 0])],
)
def test_float_weights_are_what_int8_weights_stand_for(
    scale: list[float], zero_point: list[int]
) -> None:
    data, weights = dynamic_range_layer(scale, zero_point)
    x = RNG.standard_normal((3, 8), np.float32)
    column = [np.array(each, np.float64).reshape(-1, 1) for each in (scale, zero_point)]
    expected = x @ ((weights - column[1]) * column[0]).T + np.arange(4)
    found = run(with_float_weights(data), {"x": x})["y"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # as it is written
    model = convert_tflite(data, name="m").SerializeToString()
    session = onnxruntime.InferenceSession(model, options)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "zero_point", "axis", "message"),
    [
        ([0.1] * 3, [0], 0, r"'weights': 3 scales along dimension 0 do not fit shape \(4, 8\)"),
        ([0.1] * 4, [0], 2, "4 scales along dimension 2"),
        ([0.1] * 4, [0], -1, "4 scales along dimension -1"),
        ([0.1] * 4, [0] * 3, 0, "must have 1 or 4 zero points, but has 3"),
        ([0.1], [0, 0], 0, "must have 1 zero point, but has 2"),
        ([0.1], [], 0, "must have 1 zero point, but has 0"),
    ],
)
def test_refuses_contradictions(
    scale: list[float], zero_point: list[int], axis: int, message: str
) -> None:
    data, _ = dynamic_range_layer(scale, zero_point, axis)
    with pytest.raises(InvalidModelError, match=message):
        with_float_weights(data)


@pytest.mark.parametrize("scale", [np.inf, np.nan, 0.0, -1.0])
def test_refuses_a_step_that_is_no_size(scale: float) -> None:
    file = FileBuilder()
    x, y = file.tensor("x", (1, 3), "int8"), file.tensor("y", (1, 3))
    file.subgraph.tensors[x].quantization = schema.QuantizationParametersT(
        scale=np.array([scale], np.float32), zeroPoint=np.array([0], np.int64)
    )
    file.operator("DEQUANTIZE", [x], [y], schema.DequantizeOptionsT())
    message = f"tensor 'x': its scale must be positive and finite, but is {scale}"
    with pytest.raises(InvalidModelError, match=message):
        quantization_of(file.finish([x], [y]))


def test_float_weights_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = dynamic_range_layer([0.1], [0])
    monkeypatch.setattr("ort_sparse.converters.tflite.quantization.dense_limit", lambda _: 127)
    with pytest.raises(UnsupportedModelError, match=r"as float32 it takes 128 bytes, more than"):
        with_float_weights(data)


def test_nothing_quantizes_on_the_fly_in_onnx() -> None:
    data, _ = dynamic_range_layer([0.01], [0])
    kinds = {node.op_type for node in convert_tflite(data, name="m").graph.node}
    assert "DynamicQuantizeLinear" not in kinds


@pytest.mark.parametrize("verify", [True, False])
def test_int16_is_refused_with_its_operators(verify: bool) -> None:
    message = r"model: operators QUANTIZE, CONV_2D, .*: they compute with quantized INT16"
    with pytest.raises(UnsupportedModelError, match=message):
        ort_sparse.convert(build("int16"), verify=verify)
