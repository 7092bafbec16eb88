"""TFLite files to dense ONNX models: names, guards against tf2onnx's holes, numbers."""

from __future__ import annotations

import itertools
import logging
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

import ort_sparse
from ort_sparse.converters.tflite import OPSETS, convert_tflite, run, signature
from ort_sparse.converters.tflite.densify import densify
from ort_sparse.converters.tflite.model import data_of, operator_name, pack_model, read_model
from ort_sparse.errors import InvalidArgumentError, InvalidModelError, UnsupportedModelError

pytest.importorskip("tf2onnx", reason="needs the extra tflite")
pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")
from ai_edge_litert import schema_py_generated as schema
from tensorflow_models import build
from tflite_builder import FileBuilder

RNG = np.random.default_rng(0)
RELATIVE = 2e-5


def random(*shape: int) -> NDArray[np.float32]:
    return RNG.standard_normal(shape).astype(np.float32)


def sparse_random(*shape: int, dtype: str = "float32") -> NDArray[Any]:
    return (random(*shape) * (RNG.random(shape) < 0.3)).astype(dtype)


def run_onnx(model: onnx.ModelProto, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def assert_equal_to_litert(data: bytes, inputs: dict[str, NDArray[Any]], **options: Any) -> None:
    """Convert and compare with LiteRT: same names, same numbers."""
    expected = run(data, inputs)
    found = run_onnx(convert_tflite(data, name="test.tflite", **options), inputs)
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].shape == array.shape
        np.testing.assert_allclose(found[name], array, atol=RELATIVE * np.abs(array).max(), rtol=0)


def random_inputs(data: bytes) -> dict[str, NDArray[Any]]:
    return {tensor.name: random(*map(abs, tensor.shape)) for tensor in signature(data).inputs}


@pytest.mark.parametrize("file", ["pose_detection", "face_detection_full_range_sparse"])
def test_densified_real_model_equals_the_original_bit_for_bit(
    shared_models: Path, file: str
) -> None:
    data = (shared_models / f"{file}.tflite").read_bytes()
    model = read_model(data)
    densify(model, len(data))
    inputs = random_inputs(data)
    expected = run(data, inputs)
    for name, array in run(pack_model(model), inputs).items():
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize("file", ["palm_detection_lite", "face_detection_full_range_sparse"])
def test_real_model_equals_litert(shared_models: Path, file: str) -> None:
    data = (shared_models / f"{file}.tflite").read_bytes()
    assert_equal_to_litert(data, random_inputs(data))


def test_custom_operator_is_refused_by_name(shared_models: Path) -> None:
    data = (shared_models / "selfie_segmentation.tflite").read_bytes()
    message = r"^selfie: operator Convolution2DTransposeBias, which computes tensor 'segment': has"
    with pytest.raises(UnsupportedModelError, match=message):
        convert_tflite(data, name="selfie")


def test_inputs_as_nchw(shared_models: Path) -> None:
    data = (shared_models / "palm_detection_lite.tflite").read_bytes()
    inputs = random_inputs(data)
    expected = run(data, inputs)
    model = convert_tflite(data, name="palm", inputs_as_nchw=True)
    found = run_onnx(model, {name: x.transpose(0, 3, 1, 2) for name, x in inputs.items()})
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=RELATIVE * np.abs(array).max(), rtol=0)


def fully_connected(
    input_shape: tuple[int, ...],
    *,
    keep_num_dims: bool = False,
    dynamic: bool = False,
    densify_dtype: str | None = None,
) -> bytes:
    """A FULLY_CONNECTED from 8 to 4 channels with bias, sparse if ``densify_dtype`` says."""
    rows = int(np.prod(input_shape)) // 8
    shape = (*input_shape[:-1], 4) if keep_num_dims else (rows, 4)
    file = FileBuilder()
    x = file.tensor("x", input_shape, shape_signature=(-1, *input_shape[1:]) if dynamic else None)
    if densify_dtype is None:
        weights = file.constant("weights", random(4, 8))
    else:
        sparse = sparse_random(4, 8, dtype=densify_dtype)
        weights = file.tensor("weights", (4, 8), densify_dtype)
        source = file.sparse("sparse", sparse)
        file.operator("DENSIFY", [source], [weights], schema.DensifyOptionsT())
        if densify_dtype == "float16":
            half, weights = weights, file.tensor("full", (4, 8))
            file.operator("DEQUANTIZE", [half], [weights], schema.DequantizeOptionsT())
    bias = file.constant("bias", random(4))
    y = file.tensor("y", shape, shape_signature=(-1, *shape[1:]) if dynamic else None)
    options = schema.FullyConnectedOptionsT(keepNumDims=keep_num_dims)
    file.operator("FULLY_CONNECTED", [x, weights, bias], [y], options)
    return file.finish([x], [y])


@pytest.mark.parametrize("densify_dtype", [None, "float32", "float16"])
def test_fully_connected(densify_dtype: str | None) -> None:
    data = fully_connected((3, 8), densify_dtype=densify_dtype)
    assert_equal_to_litert(data, {"x": random(3, 8)})


@pytest.mark.parametrize(
    ("shape", "keep_num_dims"),
    [
        *itertools.product([(2, 8), (2, 1, 8), (2, 3, 8), (1, 2, 2, 8), (8,)], [False, True]),
        ((2, 2, 2, 2), False),
    ],
)
def test_fully_connected_keeps_its_bias(shape: tuple[int, ...], keep_num_dims: bool) -> None:
    data = fully_connected(shape, keep_num_dims=keep_num_dims)
    assert_equal_to_litert(data, {"x": random(*shape)})


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_fully_connected_with_dynamic_batch(batch: int) -> None:
    data = fully_connected((1, 1, 1, 8), dynamic=True)
    assert signature(data).inputs[0].shape == (-1, 1, 1, 8)
    assert_equal_to_litert(data, {"x": random(batch, 1, 1, 8)})


def test_fully_connected_without_shape_of_weights_is_refused() -> None:
    file = FileBuilder()
    x, y = file.tensor("x", (1, 2, 4)), file.tensor("y", (1, 2))
    weights = file.constant("weights", random(8))
    file.operator("FULLY_CONNECTED", [x, weights], [y], schema.FullyConnectedOptionsT())
    with pytest.raises(UnsupportedModelError, match=r"must have rank 2, but have shape \(8,\)"):
        convert_tflite(file.finish([x], [y]), name="m")


def test_duplicate_and_empty_names() -> None:
    file = FileBuilder()
    x, y = file.tensor("a", (1, 3)), file.tensor("a", (1, 3))
    hidden = [file.tensor(name, (1, 3)) for name in ("", "a", "", "a_1")]
    constants = [file.constant(name, random(1, 3)) for name in ("a", "a", "a_dequant", "")]
    options = schema.AddOptionsT
    for source, constant, target in zip([x, *hidden[:3]], constants, hidden, strict=True):
        file.operator("ADD", [source, constant], [target], options())
    file.operator("MUL", [hidden[3], hidden[0]], [y], schema.MulOptionsT())
    data = file.finish([x], [y])
    described = signature(data)
    assert [t.name for t in (*described.inputs, *described.outputs)] == ["a", "a_1"]
    assert_equal_to_litert(data, {"a": random(1, 3)})


def two_inputs(**names: dict[str, int]) -> bytes:
    """Output 4 is input 0 - input 1, output 3 is the RELU of it; in that order."""
    file = FileBuilder()
    for name in ("serving_default_a:0", "b", "scores", "PartitionedCall:1", "PartitionedCall:0"):
        file.tensor(name, (2, 3))
    file.operator("SUB", [0, 1], [4], schema.SubOptionsT())
    file.operator("RELU", [4], [3])
    if names:
        file.signature(**names)
    return file.finish([0, 1], [4, 3])


def test_names_of_the_signature() -> None:
    data = two_inputs(inputs={"left": 0, "right": 1}, outputs={"relu": 3, "scores": 4})
    described = signature(data)
    assert [tensor.name for tensor in described.inputs] == ["left", "right"]
    assert [tensor.name for tensor in described.outputs] == ["scores", "relu"]
    assert {tensor.dtype for tensor in described.inputs} == {"float32"}
    assert_equal_to_litert(data, {"left": random(2, 3), "right": random(2, 3)})


def test_names_of_the_tensors_without_a_signature() -> None:
    data = two_inputs()
    inputs = {"serving_default_a:0": random(2, 3), "b": random(2, 3)}
    assert [t.name for t in signature(data).outputs] == ["PartitionedCall:0", "PartitionedCall:1"]
    assert_equal_to_litert(data, inputs)


def test_an_output_with_the_name_of_an_input_gets_a_number() -> None:
    data = two_inputs(inputs={"x": 0, "y": 1}, outputs={"x": 4, "z": 3})
    assert [tensor.name for tensor in signature(data).outputs] == ["x_1", "z"]
    assert_equal_to_litert(data, {"x": random(2, 3), "y": random(2, 3)})


def test_a_dense_constant_may_be_an_output() -> None:
    file = FileBuilder()
    x, y, dense = file.tensor("x", (3,)), file.tensor("y", (3,)), file.tensor("dense", (3, 3))
    source = file.sparse("sparse", np.eye(3, dtype=np.float32))
    file.operator("DENSIFY", [source], [dense], schema.DensifyOptionsT())
    file.operator("RELU", [x], [y])
    assert_equal_to_litert(file.finish([x], [dense, y]), {"x": random(3)})


def test_a_sparse_constant_with_two_densify_and_one_without() -> None:
    weights = np.zeros((4, 8), np.float32)
    weights[0, :4], weights[2, 4:] = random(4), random(4)
    file = FileBuilder()
    x = file.tensor("x", (1, 8))
    outputs = [file.tensor(name, (1, 4)) for name in ("one", "two", "three")]
    source = file.sparse("sparse", weights, block_map=[1], block_sizes=[4], sparse_levels=[1])
    dense = [file.tensor(name, (4, 8)) for name in ("dense", "dense")]
    for target in dense:
        file.operator("DENSIFY", [source], [target], schema.DensifyOptionsT())
    bias = file.constant("bias", random(4))
    for weight, target in zip([*dense, source], outputs, strict=True):
        options = schema.FullyConnectedOptionsT()
        file.operator("FULLY_CONNECTED", [x, weight, bias], [target], options)
    assert_equal_to_litert(file.finish([x], outputs), {"x": random(1, 8)})


def test_sparse_float16_that_litert_misreads() -> None:
    weights = np.zeros((4, 8), np.float16)
    weights[0, :4], weights[2, 4:] = random(4), random(4)
    file = FileBuilder()
    x, full, y = file.tensor("x", (1, 8)), file.tensor("full", (4, 8)), file.tensor("y", (1, 4))
    source = file.sparse("sparse", weights, block_map=[1], block_sizes=[4], sparse_levels=[1])
    file.operator("DEQUANTIZE", [source], [full], schema.DequantizeOptionsT())
    file.operator("FULLY_CONNECTED", [x, full, -1], [y], schema.FullyConnectedOptionsT())
    data, inputs = file.finish([x], [y]), {"x": random(1, 8)}
    np.testing.assert_allclose(run(data, inputs)["y"], inputs["x"] @ weights.T, atol=1e-5)
    assert_equal_to_litert(data, inputs)


def test_densify_leaves_shared_buffers_alone() -> None:
    data = fully_connected((3, 8), densify_dtype="float32")
    model = read_model(data)
    sparse = next(t for t in model.subgraphs[0].tensors if t.sparsity is not None)
    before = bytes(data_of(model, sparse))
    number = sparse.buffer
    densify(model, len(data))
    assert bytes(model.buffers[number].data) == before
    assert all(t.sparsity is None for t in model.subgraphs[0].tensors)
    names = [operator_name(model, operator) for operator in model.subgraphs[0].operators]
    assert names == ["FULLY_CONNECTED"]


def test_unknown_builtin_is_refused_by_name() -> None:
    file = FileBuilder()
    x, y = file.tensor("x", (1, 3)), file.tensor("y", (1, 3))
    file.operator("STABLEHLO_CBRT", [x], [y])
    with pytest.raises(UnsupportedModelError, match=r"operator STABLEHLO_CBRT, .* tensor 'y'"):
        convert_tflite(file.finish([x], [y]), name="m")


def test_long_names_are_cut_in_the_middle() -> None:
    name = ";".join(f"network/block_{number}/activation/Relu" for number in range(20))
    file = FileBuilder()
    x, y = file.tensor("x", (1, 3)), file.tensor(name, (1, 3))
    file.operator("STABLEHLO_CBRT", [x], [y])
    with pytest.raises(UnsupportedModelError) as caught:
        convert_tflite(file.finish([x], [y]), name="m")
    (shown,) = re.findall("'(.*)'", str(caught.value))
    assert len(shown) == 60
    before, after = shown.split("...")
    assert name.startswith(before)
    assert name.endswith(after)
    assert min(len(before), len(after)) == 28


def test_long_names_in_messages_of_tf2onnx_are_cut() -> None:
    file = FileBuilder()
    x, y = file.tensor("x", (1, 3)), file.tensor("name" * 100, (1, 3))
    bounded = schema.ActivationFunctionType.RELU_N1_TO_1
    file.operator("ADD", [x, x], [y], schema.AddOptionsT(fusedActivationFunction=bounded))
    with pytest.raises(UnsupportedModelError, match="RELU_N1_TO_1") as caught:
        convert_tflite(file.finish([x], [y]), name="m")
    assert max(map(len, str(caught.value).split())) == 60


def test_a_variable_is_not_frozen() -> None:
    message = r"^m: operator VAR_HANDLE: the model is not frozen: it keeps variable 'count'"
    with pytest.raises(UnsupportedModelError, match=message):
        convert_tflite(build("variable"), name="m")


def gelu(approximate: bool) -> bytes:
    file = FileBuilder()
    x, y = file.tensor("x", (1, 1000)), file.tensor("y", (1, 1000))
    file.operator("GELU", [x], [y], schema.GeluOptionsT(approximate=approximate))
    return file.finish([x], [y])


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("approximate", [False, True])
def test_gelu(approximate: bool, opset: int) -> None:
    assert_equal_to_litert(gelu(approximate), {"x": random(1, 1000)}, opset=opset)


def test_both_forms_of_gelu_differ() -> None:
    x = {"x": random(1, 1000)}
    exact, approximate = (run(gelu(form), x)["y"] for form in (False, True))
    assert np.abs(exact - approximate).max() > 5 * RELATIVE * np.abs(exact).max()


@pytest.mark.parametrize("file", ["gelu", "gelu_tanh"])
def test_gelu_of_keras(file: str) -> None:
    data = build(file)
    model = read_model(data)
    names = [operator_name(model, operator) for operator in model.subgraphs[0].operators]
    assert names.count("GELU") == 3
    assert_equal_to_litert(data, random_inputs(data))


def test_what_tf2onnx_cannot_do_is_refused() -> None:
    file = FileBuilder()
    x, y = file.tensor("x", (1, 3)), file.tensor("y", (1, 3))
    bounded = schema.ActivationFunctionType.RELU_N1_TO_1
    file.operator("ADD", [x, x], [y], schema.AddOptionsT(fusedActivationFunction=bounded))
    with pytest.raises(UnsupportedModelError, match=r"^m: tf2onnx cannot convert .*RELU_N1_TO_1"):
        convert_tflite(file.finish([x], [y]), name="m")


@pytest.mark.parametrize("opset", OPSETS)
def test_opsets(opset: int) -> None:
    data = fully_connected((1, 8), densify_dtype="float16")
    model = convert_tflite(data, name="m", opset=opset)
    assert {e.domain: e.version for e in model.opset_import}[""] == opset
    assert_equal_to_litert(data, {"x": random(1, 8)}, opset=opset)


def test_documents_say_which_opsets_there_are() -> None:
    said = f"{OPSETS[0]} to {OPSETS[-1]}"
    assert list(OPSETS) == list(range(OPSETS[0], OPSETS[-1] + 1))
    assert said in (ort_sparse.convert.__doc__ or "")
    readme = Path(__file__).parents[3].joinpath("README.md").read_text()
    assert f"| `--opset 17` | of a converted TFLite file: {said} |" in readme


@pytest.mark.parametrize("opset", [12, 19, 21])
def test_other_opsets_are_refused(opset: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"opset: must be one of 13, .* but is {opset}"):
        convert_tflite(b"", name="m", opset=opset)


def test_errors_name_the_file() -> None:
    with pytest.raises(InvalidModelError, match=r"^model\.tflite: the file is empty$"):
        convert_tflite(b"", name="model.tflite")


def test_leaves_no_traces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    convert_tflite(fully_connected((1, 8)), name="m")
    file = FileBuilder()
    x, y = file.tensor("x", (1, 3)), file.tensor("y", (1, 3))
    file.operator("ADD", [x, x], [y], schema.AddOptionsT(fusedActivationFunction=2))
    with pytest.raises(UnsupportedModelError):
        convert_tflite(file.finish([x], [y]), name="m")
    assert list(tmp_path.iterdir()) == []
    assert logger.level == level
    assert capfd.readouterr() == ("", "")
    os.write(2, b"stderr works again")
    assert capfd.readouterr().err == "stderr works again"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"inputs: must be \['x'\], but are \[\]"),
        ({"x": random(3, 8), "z": random(1)}, r"inputs: must be \['x'\], but are \['x', 'z'\]"),
        ({"x": random(2, 8)}, r"'x': must be float32 of shape \(3, 8\), but .* \(2, 8\)"),
        ({"x": random(24)}, r"'x': must be float32 of shape \(3, 8\), but .* \(24,\)"),
        ({"x": random(3, 8).astype(np.float64)}, "'x': must be float32 .* but is float64"),
    ],
)
def test_run_checks_its_inputs(inputs: dict[str, NDArray[Any]], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        run(fully_connected((3, 8)), inputs)


def test_run_reports_what_litert_refuses() -> None:
    file = FileBuilder()
    x, y = file.tensor("x", (1, 3)), file.tensor("y", (1, 3))
    file.operator("CUSTOM", [x], [y], custom_code="Unheard")
    with pytest.raises(UnsupportedModelError, match=r"LiteRT cannot run the model: .*Unheard"):
        run(file.finish([x], [y]), {"x": random(1, 3)})
