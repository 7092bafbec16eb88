"""Quantized TFLite files: what passes, in which units, and which faults are still caught."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

pytest.importorskip("tf2onnx", reason="needs the extra tflite")
pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")
from tensorflow_models import build
from typer.testing import CliRunner

import ort_sparse
from ort_sparse.cli import app
from ort_sparse.conversion import convert_and_report
from ort_sparse.errors import VerificationError
from ort_sparse.options import ConvertOptions
from ort_sparse.verification import TensorInfo, compare, random_inputs
from ort_sparse.verification.quantized import moved_by_steps

FILES = ["dynamic_range", "full_integer", "full_integer_inputs"]


def converted(name: str) -> onnx.ModelProto:
    return ort_sparse.convert(build(name), layers="all", verify=False)


def dense(name: str) -> onnx.ModelProto:
    """The conversion with all its weights as tensors that a test can change."""
    return convert_and_report(build(name), ConvertOptions(verify=False)).dense


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", FILES)
def test_a_quantized_file_passes(name: str, seed: int) -> None:
    assert compare(build(name), converted(name), seed=seed).passed


def test_the_sparse_recipe_becomes_sparse_and_says_how_it_was_compared() -> None:
    conversion = convert_and_report(build("dynamic_range"), ConvertOptions(layers="all"))
    assert conversion.replaced >= 6
    comparison = conversion.comparison
    assert comparison is not None
    assert "its int8 weights and all activations as float32" in comparison.description
    (note,) = comparison.notes
    assert "LiteRT quantizes activations of model when it runs, which changes outputs by" in note
    assert comparison.error < 2e-5 < float(note.split("up to ")[1].split()[0])


def test_the_command_says_it_too(tmp_path: Any) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(build("dynamic_range"))
    shown = CliRunner().invoke(app, ["convert", str(file)])
    assert shown.exit_code == 0
    assert "LiteRT quantizes activations" in shown.stdout
    shown = CliRunner().invoke(app, ["convert", str(file), "--json"])
    assert "LiteRT quantizes" in json.loads(shown.stdout)["comparison"]["notes"][0]


def test_a_file_equals_itself() -> None:
    for name in FILES:
        assert compare(build(name), build(name)).error == 0


def drop_bias(model: onnx.ModelProto) -> None:
    biases = [name for node in layers(model) for name in node.input[2:]]
    set_initializer(model, source(model, biases[-1]), lambda array: np.zeros_like(array))


def change_one_weight(model: onnx.ModelProto) -> None:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        index = np.unravel_index(np.argmax(np.abs(array.astype(np.int64))), array.shape)
        array[index] = -array[index]
        return array

    weights = [source(model, node.input[1]) for node in layers(model)]
    set_initializer(model, min(weights, key=lambda name: size(model, name)), change)


def swap_channels(model: onnx.ModelProto) -> None:
    """Of the last layer, whose weights are (in, out)."""
    weights = source(model, layers(model)[-1].input[1])
    set_initializer(model, weights, lambda array: array[:, ::-1].copy())


def wrong_padding(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "pads" and any(attribute.ints):
                top, left, bottom, right = attribute.ints
                if (top, left) != (bottom, right):
                    attribute.ints[:] = [bottom, right, top, left]
                    return
    raise AssertionError("no padding that can be turned round")


def drop_activation(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type in ("Clip", "Relu"))
    node.op_type = "Identity"
    del node.input[1:]


def layers(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]


def source(model: onnx.ModelProto, name: str) -> str:
    """Return the constant that a value is made of."""
    producers = {output: node for node in model.graph.node for output in node.output}
    while name in producers:
        name = producers[name].input[0]
    return name


def size(model: onnx.ModelProto, name: str) -> int:
    (tensor,) = (each for each in model.graph.initializer if each.name == name)
    return int(np.prod(tensor.dims))


def set_initializer(
    model: onnx.ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    (tensor,) = (each for each in model.graph.initializer if each.name == name)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), name))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("dynamic_range", drop_bias),
        ("dynamic_range", change_one_weight),
        ("dynamic_range", swap_channels),
        ("dynamic_range", wrong_padding),
        ("dynamic_range", drop_activation),
        # The others change this file's outputs by no more than 2 steps, as rounding might.
        ("full_integer", drop_bias),
        ("full_integer_inputs", swap_channels),
    ],
)
def test_faults_are_caught(name: str, fault: Callable[[onnx.ModelProto], None]) -> None:
    model = dense(name)
    fault(model)
    assert not compare(build(name), model).passed


def test_a_model_that_quantizes_itself_may_differ_as_much_as_litert() -> None:
    data, model = build("dynamic_range"), dense("dynamic_range")
    (gemm,) = (node for node in model.graph.node if node.op_type == "Gemm")
    parts = ["quantized", "scale", "zero"]
    around = [
        helper.make_node("DynamicQuantizeLinear", [gemm.input[0]], parts),
        helper.make_node("DequantizeLinear", parts, ["restored"]),
    ]
    gemm.input[0] = "restored"
    position = list(model.graph.node).index(gemm)
    nodes = [*model.graph.node[:position], *around, *model.graph.node[position:]]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    comparison = compare(data, model)
    assert comparison.passed
    assert "what quantizing activations changes in LiteRT" in comparison.outputs[0].rule
    swap_channels(model)
    assert not compare(data, model).passed


def test_the_message_names_the_steps() -> None:
    model = dense("full_integer_inputs")
    swap_channels(model)
    message = r"may differ by .*one step of its quantization \(1\), or by 2 times what moving"
    with pytest.raises(VerificationError, match=message):
        ort_sparse.verify(build("full_integer_inputs"), model)


def test_quantized_inputs_get_every_value() -> None:
    image = TensorInfo("image", (1, 64, 64, 3), np.dtype(np.uint8), step=1.0)
    mask = TensorInfo("mask", (1, 64), np.dtype(np.uint8))
    feeds = random_inputs([image, mask])
    assert (feeds["image"].min(), feeds["image"].max()) == (0, 255)
    assert feeds["mask"].max() == 1
    moves = list(moved_by_steps([image, mask], feeds))
    assert {int(np.abs(each["image"].astype(int) - feeds["image"]).max()) for each in moves} == {1}
    assert all((each["mask"] == feeds["mask"]).all() for each in moves)
