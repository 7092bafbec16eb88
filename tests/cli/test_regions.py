"""Regions on the command line: inspect, bench and verify."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from ort_sparse.cli import app
from ort_sparse.conversion import convert_and_report
from ort_sparse.errors import MissingDependencyError, VerificationError
from ort_sparse.kernels import supported_isas
from ort_sparse.options import ConvertOptions


def run(*arguments):
    done = CliRunner().invoke(app, [*map(str, arguments)])
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.fixture
def converted(dense, tmp_path):
    """Path of the model of `dense`, converted."""
    path = tmp_path / "converted.onnx"
    options = ConvertOptions(layers="all", verify=False)
    onnx.save(convert_and_report(dense, options).model, path)
    return path


@pytest.fixture
def with_a_stranger(dense, tmp_path):
    """Path of the model of `dense` with a CumSum, which no region has, before its second layer."""
    model = onnx.load(dense)
    model.graph.initializer.append(onnx.helper.make_tensor("axis", onnx.TensorProto.INT64, [], [1]))
    model.graph.node.insert(
        2, onnx.helper.make_node("CumSum", ["r", "axis"], ["sums"], name="stranger")
    )
    model.graph.node[3].input[0] = "sums"
    path = tmp_path / "stranger.onnx"
    onnx.save(model, path)
    return path


def wide(height=300):
    """Return a pointwise and a depthwise layer on planes of 3.8 MB, unless they are lower."""
    arrays = np.random.default_rng(0)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 32, height, 100])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 32, None, None])
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["a"], "expand"),
            helper.make_node("Clip", ["a", "low", "high"], ["b"], "clip"),
            helper.make_node("Conv", ["b", "d"], ["y"], "depthwise", group=32, pads=[1] * 4),
        ],
        "wide",
        [x],
        [y],
        [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in (
                ("w", arrays.random((32, 32, 1, 1)) * (arrays.random((32, 32, 1, 1)) < 0.2)),
                ("d", arrays.random((32, 1, 3, 3))),
                ("low", np.array(0)),
                ("high", np.array(6)),
            )
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_inspect_shows_regions(dense):
    data = json.loads(run("inspect", dense, "--regions", "--claim", "all", "--json"))
    assert len(data["layers"]) == 2
    report = data["regions"]
    assert (report["mode"], report["isa"]) == ("all", supported_isas()[0])
    assert report["runtime"] == onnxruntime.__version__
    (graph,) = report["graphs"]
    assert [node["op"] for node in graph["nodes"]] == ["Conv", "Relu", "Conv"]
    assert [node["region"] for node in graph["nodes"]] == [0, 0, 0]
    (region,) = graph["regions"]
    assert (region["claimed"], region["nodes"]) == (True, 3)
    assert (region["inputs"], region["outputs"]) == (["x"], ["y"])
    assert all(cost > 0 for cost in region["cost"].values())


def test_inspect_shows_regions_of_converted_models(converted):
    data = json.loads(run("inspect", converted, "--regions", "--claim", "all", "--json"))
    (graph,) = data["regions"]["graphs"]
    assert graph["nodes"][0]["op"] == "SparseConv1x1"
    assert graph["regions"][0]["claimed"]
    assert graph["regions"][0]["cost"]["dense"] is None


def test_inspect_shows_what_runs_depth_first(tmp_path):
    path = tmp_path / "wide.onnx"
    onnx.save(wide(), path)
    data = json.loads(run("inspect", path, "--regions", "--claim", "all", "--json"))
    (region,) = data["regions"]["graphs"][0]["regions"]
    (step,) = region["steps"]
    assert [op["nodes"] for op in step["ops"]] == [["expand", "clip"], ["depthwise"]]
    assert 0 < step["ring_bytes"] < data["regions"]["l2_bytes"]
    printed = " ".join(run("inspect", path, "--regions", "--claim", "all").split())
    rings = f"0.0 2 {step['ring_bytes'] / 1e3:.1f}"
    assert f"{rings} pointwise, depthwise convolution 3x3; from expand to depthwise" in printed


def test_inspect_says_where_nothing_runs_depth_first(tmp_path):
    said = []
    for name, model in (("narrow", wide(height=8)), ("unknown", wide(height="h"))):
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, path)
        said.append(" ".join(run("inspect", path, "--regions", "--claim", "all").split()))
    narrow, unknown = said
    assert "region 0: no layers run depth first" in narrow
    assert "region 0: shapes are only known in a run" in unknown
    assert "Layers that are computed depth first" not in narrow + unknown


@pytest.mark.parametrize(("height", "is_planned"), [(2**30, True), (2**40, False)])
def test_sizes_that_no_machine_has_take_no_memory(height, is_planned, tmp_path):
    path = tmp_path / "absurd.onnx"
    onnx.save(wide(height=height), path)
    data = json.loads(run("inspect", path, "--regions", "--claim", "all", "--json"))
    (region,) = data["regions"]["graphs"][0]["regions"]
    assert region["claimed"]
    assert (region["steps"] is not None) == is_planned


def test_inspect_says_why_nodes_are_left(with_a_stranger):
    data = json.loads(run("inspect", with_a_stranger, "--regions", "--claim", "all", "--json"))
    (graph,) = data["regions"]["graphs"]
    assert [node["region"] is None for node in graph["nodes"]] == [False, False, True, False]
    reason = graph["nodes"][2]["reason"]
    assert reason
    printed = " ".join(run("inspect", with_a_stranger, "--regions", "--claim", "all").split())
    assert "3 of 4 nodes claimed (all; " in printed
    assert "Nodes in no region" in printed
    assert f"stranger CumSum {reason}" in printed


def test_inspect_of_regions_is_of_auto_unless_said(dense):
    assert json.loads(run("inspect", dense, "--regions", "--json"))["regions"]["mode"] == "auto"
    assert json.loads(run("inspect", dense, "--json"))["regions"] is None


def test_old_runtimes_have_no_regions(dense, monkeypatch):
    monkeypatch.setattr(onnxruntime, "__version__", "1.22.1")
    message = r"regions need onnxruntime 1\.23\.1 or later, but this is 1\.22\.1"
    with pytest.raises(MissingDependencyError, match=message):
        run("inspect", dense, "--regions")
    assert "regions need onnxruntime 1.23.1" in " ".join(run("bench", dense, "--runs", 1).split())
    (result,) = json.loads(run("bench", dense, "--runs", 1, "--json"))["results"]
    assert result["regions_ms"] is None
    assert result["regions"]["reason"].startswith("need onnxruntime 1.23.1")
    assert "with regions" not in run("verify", dense, dense)


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_bench_has_all_three(form, dense, converted):
    path = dense if form == "dense" else converted
    data = json.loads(
        run("bench", path, "--regions", "all", "--threads", "1,2", "--runs", 2, "--json")
    )
    assert [result["threads"] for result in data["results"]] == [1, 2]
    for result in data["results"]:
        assert result["dense_ms"]["runs"] == result["regions_ms"]["runs"] == 2
        regions = result["regions"]
        assert (regions["mode"], regions["form"]) == ("all", form)
        assert (regions["claimed"], regions["claimed_nodes"]) == (1, 3 if form == "dense" else 2)
        assert regions["error"] < 2e-5
        ratio = result["dense_ms"]["p50"] / result["regions_ms"]["p50"]
        assert regions["speed_up"] == pytest.approx(ratio)
    printed = run("bench", path, "--regions", "all", "--runs", 1)
    assert [line.split("  ")[0] for line in printed.splitlines()[3:6]] == [
        "dense",
        "custom ops",
        "regions",
    ]
    assert f"of the {form} model): claimed: 1, with " in " ".join(printed.split())


def test_bench_without_regions(dense):
    (result,) = json.loads(run("bench", dense, "--regions", "off", "--runs", 1, "--json"))[
        "results"
    ]
    assert result["regions"] == {"measured": False, "reason": ""}
    assert "regions" not in run("bench", dense, "--regions", "off", "--runs", 1)


def test_verify_compares_regions_too(dense):
    data = json.loads(run("verify", dense, dense, "--regions", "all", "--json"))
    assert [output["name"] for output in data["outputs"]] == ["y", "y, with regions"]
    assert "1 regions were claimed" in data["notes"][0]
    data = json.loads(run("verify", dense, dense, "--regions", "off", "--json"))
    assert [output["name"] for output in data["outputs"]] == ["y"]


def test_verify_says_which_outputs_differ(dense, tmp_path):
    model = onnx.load(dense)
    values = numpy_helper.to_array(model.graph.initializer[1]) * 1.01
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(values, "b"))
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(VerificationError, match="2 of 2 outputs differ"):
        run("verify", dense, tmp_path / "other.onnx", "--regions", "all")
