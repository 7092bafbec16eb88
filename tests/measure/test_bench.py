"""`ort-sparse bench` and what it stands on; no test looks at how fast anything is."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from ort_sparse.cli import app
from ort_sparse.conversion import convert_and_report, densify
from ort_sparse.errors import InvalidArgumentError, MissingDependencyError
from ort_sparse.kernels import fma_peak, supported_isas
from ort_sparse.measure.latency import interleave, isa_in_use
from ort_sparse.measure.layers import time_layers, total_microseconds
from ort_sparse.model_pair import model_pair
from ort_sparse.op import OP_TYPE
from ort_sparse.options import ConvertOptions


@pytest.fixture
def dense():
    """Conv 3x3 - 1x1 + SiLU - 3x3 - 1x1 + Relu - mean - Gemm; nodes have no names."""
    rng = np.random.default_rng(0)
    constants = {}

    def weights(name, *shape, zeros=0.0):
        array = rng.standard_normal(shape)
        array[rng.random(shape) < zeros] = 0
        constants[name] = array.astype(np.float32)
        return name

    def conv(x, y, kernel, zeros):
        name = weights(f"{y}.w", 64, 64, kernel, kernel, zeros=zeros)
        return helper.make_node("Conv", [x, name], [y], pads=[kernel // 2] * 4)

    nodes = [
        conv("x", "a", 3, 0),
        conv("a", "b", 1, 0.95),
        helper.make_node("Sigmoid", ["b"], ["s"]),
        helper.make_node("Mul", ["b", "s"], ["c"]),
        conv("c", "d", 3, 0),
        conv("d", "e", 1, 0.95),
        helper.make_node("Relu", ["e"], ["f"]),
        helper.make_node("GlobalAveragePool", ["f"], ["g"]),
        helper.make_node("Flatten", ["g"], ["h"]),
        helper.make_node("Gemm", ["h", weights("fc.w", 64, 10)], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def dense_path(dense, tmp_path):
    path = tmp_path / "dense.onnx"
    onnx.save(dense, path)
    return path


def bench(*arguments):
    done = CliRunner().invoke(app, ["bench", *map(str, arguments), "--runs", "2"])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_json_has_everything_that_the_table_shows(dense_path):
    data = json.loads(bench(dense_path, "--threads", "1", "--threads", "2", "--layers", "--json"))
    assert [result["threads"] for result in data["results"]] == [1, 2]
    for result in data["results"]:
        assert result["isa"] == isa_in_use()
        assert result["fma_peak_gflops"] > 0.1
        assert 0 < result["error"] < 2e-5 or result["error"] == 0
        assert result["dense_ms"]["runs"] == result["sparse_ms"]["runs"] == 2
        assert result["sparse_ms"]["p5"] <= result["sparse_ms"]["p50"]
        ratio = result["dense_ms"]["p50"] / result["sparse_ms"]["p50"]
        assert result["speed_up"] == pytest.approx(ratio)
        assert [layer["pixels"] for layer in result["layers"]] == [784, 784]
        assert [layer["activation"] for layer in result["layers"]] == ["silu", "clip"]
        for layer in result["layers"]:
            assert layer["shape"] == [64, 64]
            assert layer["zeros"] == pytest.approx(0.95, abs=0.01)
            assert layer["nonzeros"] == round((1 - layer["zeros"]) * 64 * 64)
            operations = 2e-3 * layer["nonzeros"] * 784
            assert layer["gflops"] == pytest.approx(operations / layer["microseconds"])
            peak = result["fma_peak_gflops"] * result["threads"]
            assert layer["share_of_peak"] == pytest.approx(layer["gflops"] / peak)
            assert layer["dense_microseconds"] > 0


def test_each_batch_is_measured_with_each_number_of_threads(dense_path, tmp_path):
    page = tmp_path / "times.html"
    data = bench(dense_path, "--threads", "1,2", "--batch", "1,3", "--html", page, "--json")
    results = json.loads(data)["results"]
    assert [(result["batch"], result["threads"]) for result in results] == [
        (1, 1),
        (1, 2),
        (3, 1),
        (3, 2),
    ]
    text = page.read_text()
    for label in (
        "Latencies, batch 1",
        "Latencies, batch 3",
        "custom ops, 2 threads",
        "dense.onnx",
    ):
        assert label in text


def test_a_batch_that_a_model_does_not_take_is_refused(dense, tmp_path):
    dense.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    path = tmp_path / "fixed.onnx"
    onnx.save(dense, path)
    (result,) = json.loads(bench(path, "--json"))["results"]
    assert result["batch"] == 2  # whatever was asked for, that was measured
    rule = r"measured with batch 4, but 'x' has \(2, 64, 28, 28\)"
    with pytest.raises(InvalidArgumentError, match=rule):
        bench(path, "--batch", "1,4")


def test_tables(dense_path):
    printed = bench(dense_path, "--layers")
    assert "1 thread(s)" in printed
    assert "64 x 64" in printed
    assert "changes of layout" in printed


def test_converted_models_are_measured_against_their_dense_form(dense, tmp_path):
    path = tmp_path / "converted.onnx"
    onnx.save(convert_and_report(dense, ConvertOptions(layers="all", verify=False)).model, path)
    (result,) = json.loads(bench(path, "--json", "--layers"))["results"]
    assert len(result["layers"]) == 2
    pair = model_pair(path)
    assert not any(node.op_type == OP_TYPE for node in pair.dense.graph.node)


def test_plot(dense_path, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "times.png"
    bench(dense_path, "--layers", "--plot", path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_plot_to_something_else_is_refused(dense_path, tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"times\.txt: must end in"):
        bench(dense_path, "--plot", tmp_path / "times.txt")


def test_plot_without_matplotlib_says_what_to_install(dense_path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"ort_sparse\[bench\]"):
        bench(dense_path, "--plot", tmp_path / "times.png")


def test_every_dense_node_has_its_place(dense):
    sparse = convert_and_report(dense, ConvertOptions(layers="all", verify=False)).model
    feeds = {"x": np.ones((1, 64, 28, 28), np.float32)}
    times = time_layers(dense, sparse, feeds, threads=1, runs=2)
    assert all(layer.dense_microseconds is not None for layer in times.layers)
    found = {node.op_type for node in times.others["dense"]}
    assert "Conv" in found
    assert found.isdisjoint({"Sigmoid", "QuickGelu", "Relu"})
    assert [node.op_type for node in times.others["sparse"]].count("Conv") == 2
    assert total_microseconds(times.others["dense"]) > 0


def test_layers_of_the_densified_model_are_found_too(dense):
    sparse = convert_and_report(dense, ConvertOptions(layers="all", verify=False)).model
    feeds = {"x": np.ones((1, 64, 28, 28), np.float32)}
    times = time_layers(densify(sparse), sparse, feeds, threads=1, runs=2)
    assert all(layer.dense_microseconds is not None for layer in times.layers)


def test_tuning_chooses_by_measuring(dense):
    stages = []
    conversion = convert_and_report(dense, ConvertOptions(tune=True), progress=stages.append)
    assert any("measuring 2 layers" in stage for stage in stages)
    assert any("whole model" in stage for stage in stages)
    found = [layer for layer in conversion.layers if layer.kind == "Conv"]
    assert all(layer.dense_microseconds > 0 for layer in found)
    assert all("measured" in layer.reason for layer in found)
    if conversion.replaced:
        notes = {entry.key: entry.value for entry in conversion.model.metadata_props}
        assert notes["ort_sparse.choice"].startswith("tuned on ")


def test_tuning_all_layers_is_refused(dense):
    with pytest.raises(InvalidArgumentError, match="layers: must be 'auto' to be tuned"):
        convert_and_report(dense, ConvertOptions(layers="all", tune=True))


def test_tuning_a_model_without_zeros_does_nothing(dense):
    assert convert_and_report(dense, ConvertOptions(tune=True, min_sparsity=0.99)).model is dense


def test_interleaved_engines_take_turns():
    calls = []
    latencies = interleave(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, runs=7, block=5
    )
    assert latencies["a"].runs == latencies["b"].runs == 7
    turns = [name for i, name in enumerate(calls) if i == 0 or calls[i - 1] != name]
    assert turns == ["a", "b", "a", "b"]


@pytest.mark.parametrize("isa", supported_isas())
def test_fma_peak(isa):
    assert 0.1 < fma_peak(isa) < 10_000


def test_fma_peak_of_an_unknown_instruction_set():
    with pytest.raises(InvalidArgumentError, match="isa: must be one of"):
        fma_peak("mmx")
