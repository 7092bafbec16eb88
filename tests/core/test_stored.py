"""Where the bytes of a file are."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ort_sparse import convert
from ort_sparse.report.sizes import size_data
from ort_sparse.source import read_source
from ort_sparse.stored import stored_items


def model():
    rng = np.random.default_rng(0)
    sparse = rng.standard_normal((64, 64, 1, 1)) * (rng.random((64, 64, 1, 1)) < 0.1)
    constants = {
        "sparse": sparse.astype(np.float32),
        "dense": rng.standard_normal((8, 64, 3, 3)).astype(np.float16),
        "unused": np.ones(7, np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "sparse"], ["h"]),
            helper.make_node("Cast", ["dense"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("Conv", ["h", "wide"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8, 26, 26])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
        doc_string="a comment",
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def sizes(source):
    """Return bytes by kind, having seen that they are the whole file."""
    data = size_data(*stored_items(read_source(source)))
    assert sum(row["bytes"] for row in data["kinds"]) == data["bytes"]
    assert all(row["bytes"] > 0 for row in data["kinds"])
    return {row["kind"]: row["bytes"] for row in data["kinds"]}


def test_onnx():
    found = sizes(model())
    assert set(found) == {"dense Conv", "dense constant that nothing reads", "notes", "graph"}
    assert 0 <= found["dense Conv"] - (64 * 64 * 4 + 8 * 64 * 9 * 2) < 100
    assert found["notes"] == len("a comment")


def test_converted_onnx():
    converted = convert(model(), layers="all")
    found = sizes(converted)
    assert len(converted.SerializeToString()) == sum(found.values())
    arrays = {t.name.split(".")[-1]: numpy_helper.to_array(t) for t in converted.graph.initializer}
    assert 0 <= found["sparse values"] - arrays["values"].nbytes < 50
    assert 0 <= found["sparse indices"] - arrays["indices"].nbytes - arrays["indptr"].nbytes < 100
    assert "shapes" in found


def test_largest_first():
    items, total = stored_items(read_source(model()))
    largest = size_data(items, total)["largest"]
    assert [item["name"] for item in largest[:2]] == ["sparse", "dense"]


def test_subgraphs_and_constant_nodes():
    b = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(100)))
    body = helper.make_graph(
        [b, helper.make_node("Neg", ["c"], ["z"])],
        "body",
        [],
        [helper.make_tensor_value_info("z", TensorProto.DOUBLE, [100])],
    )
    node = helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [100])],
    )
    assert sizes(onnx.helper.make_model(graph))["dense Neg"] >= 1600


def test_tflite(shared_models):
    found = sizes(shared_models / "pose_detection.tflite")
    converted = sizes(convert(shared_models / "pose_detection.tflite", layers="all", verify=False))
    for kind in ("sparse values", "sparse indices"):
        assert 1.0 < converted[kind] / found[kind] < 1.05
    assert found["dense DEPTHWISE_CONV_2D"] > 100_000
