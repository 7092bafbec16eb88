"""Files of several signatures: one is converted, chosen by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

pytest.importorskip("tf2onnx", reason="needs the extra tflite")
pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow_models import build
from tflite_builder import FileBuilder, pack
from typer.testing import CliRunner

import ort_sparse
from ort_sparse.cli import app
from ort_sparse.converters.tflite import convert_tflite, run, signature, signature_choice
from ort_sparse.converters.tflite.model import read_model
from ort_sparse.converters.tflite.signatures import choose_signature
from ort_sparse.errors import InvalidArgumentError, InvalidModelError

RNG = np.random.default_rng(0)


def run_with_litert(data: bytes, name: str, inputs: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Run a signature of the file as it is."""
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=resolver)
    outputs: dict[str, NDArray[Any]] = interpreter.get_signature_runner(name)(**inputs)
    return outputs


def inputs_of(name: str) -> dict[str, NDArray[np.float32]]:
    sizes = {"code": 48, "bias": 32} if name == "decode" else {"image": 64}
    return {key: RNG.standard_normal((3, size), np.float32) for key, size in sizes.items()}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("two_signatures", "encode"),
        ("two_signatures", "decode"),
        ("default_signature", "serving_default"),
        ("default_signature", "decode"),
    ],
)
def test_each_signature_equals_litert(file: str, name: str) -> None:
    data = build(file)
    model = ort_sparse.convert(data, signature=name, layers="all")
    inputs = inputs_of(name)
    expected = run_with_litert(data, name, inputs)
    session = ort_sparse.session(model)
    found = session.run(list(expected), inputs)
    for array, (key, wanted) in zip(found, expected.items(), strict=True):
        np.testing.assert_allclose(array, wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())
        np.testing.assert_allclose(run(data, inputs, signature=name)[key], wanted, atol=1e-6)


def test_serving_default_is_chosen_and_the_others_are_named() -> None:
    choice = signature_choice(build("default_signature"))
    assert (choice.name, choice.left_out) == ("serving_default", ("decode",))
    assert [tensor.name for tensor in signature(build("default_signature")).inputs] == ["image"]


def test_several_without_a_default_are_listed() -> None:
    message = r"model: signature: the file has several, so one of 'decode', 'encode' must be given"
    with pytest.raises(InvalidArgumentError, match=message):
        ort_sparse.convert(build("two_signatures"))


def test_an_unknown_signature_lists_those_there_are() -> None:
    message = r"signature: must be one of 'decode', 'encode', but is 'train'"
    with pytest.raises(InvalidArgumentError, match=message):
        ort_sparse.convert(build("two_signatures"), signature="train")


def test_a_file_without_signatures_has_none_to_choose() -> None:
    file = FileBuilder()
    x, y = file.tensor("x", (1, 3)), file.tensor("y", (1, 3))
    file.operator("RELU", [x], [y])
    data = file.finish([x], [y])
    assert signature_choice(data).name is None
    with pytest.raises(InvalidArgumentError, match="the file has none, but is 'serving_default'"):
        convert_tflite(data, name="m", signature="serving_default")


def test_the_command(tmp_path: Any) -> None:
    model, output = tmp_path / "model.tflite", tmp_path / "model.onnx"
    model.write_bytes(build("default_signature"))
    arguments = ["convert", str(model), "-o", str(output)]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0
    assert "signature 'serving_default' was converted; left out: 'decode'" in shown.stderr
    shown = CliRunner().invoke(app, [*arguments, "--signature", "decode", "--json"])
    assert json.loads(shown.stdout)["signature"] == {
        "name": "decode",
        "left_out": ["serving_default"],
    }
    for command in (["verify", str(model), str(output)], ["inspect", str(model)]):
        assert CliRunner().invoke(app, [*command, "--signature", "decode"]).exit_code == 0


def with_control_flow() -> Any:
    """Subgraphs: 0 of signature ``plain``, 1 of ``chosen``, which runs 3 or 2."""
    file = FileBuilder()
    condition = file.tensor("condition", (), "bool")
    x, y = file.tensor("x", (1, 3)), file.tensor("y", (1, 3))
    options = schema.IfOptionsT(thenSubgraphIndex=3, elseSubgraphIndex=2)
    file.operator("IF", [condition, x], [y], options)
    file.finish([condition, x], [y])
    chosen = file.subgraph
    for kind in ("ABS", "NEG", "RELU"):
        file.add_subgraph()
        x, y = file.tensor("x", (1, 3)), file.tensor("y", (1, 3))
        file.operator(kind, [x], [y])
        file.finish([x], [y])
    plain, negative, positive = file.model.subgraphs[1:]
    file.model.subgraphs = [plain, chosen, negative, positive]
    file.signature({"x": 0}, {"y": 1}, key="plain", subgraph=0)
    file.signature({"condition": 0, "x": 1}, {"y": 2}, key="chosen", subgraph=1)
    return file.model


@pytest.mark.parametrize("condition", [True, False])
def test_subgraphs_of_control_flow_move_with_their_signature(condition: bool) -> None:
    data = pack(with_control_flow())
    inputs = {"condition": np.array(condition), "x": RNG.standard_normal((1, 3), np.float32)}
    expected = run_with_litert(data, "chosen", inputs)["y"]
    model = convert_tflite(data, name="m", signature="chosen")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    np.testing.assert_array_equal(session.run(["y"], inputs)[0], expected)


def test_subgraphs_that_nothing_runs_are_dropped() -> None:
    model = read_model(pack(with_control_flow()))
    choose_signature(model, "plain")
    assert len(model.subgraphs) == 1


@pytest.mark.parametrize("number", [-1, 4])
def test_refuses_a_subgraph_that_does_not_exist(number: int) -> None:
    model = with_control_flow()
    model.subgraphs[1].operators[0].builtinOptions.thenSubgraphIndex = number
    with pytest.raises(InvalidModelError, match=f"runs subgraph {number}, but there are 4"):
        signature_choice(pack(model), "chosen")
