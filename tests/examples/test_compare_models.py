"""What examples/prune_and_deploy/compare.py measures and prints; train.py needs PyTorch."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ort_sparse import convert

EXAMPLE = Path(__file__).parents[2] / "examples" / "prune_and_deploy"


@pytest.fixture
def compare(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    import compare

    monkeypatch.setattr(compare, "TURNS", 2)
    yield compare
    del sys.modules["compare"]


def classifier(seed: int) -> onnx.ModelProto:
    """Return a layer of 16 channels with 90 % zeros, and the means of five channels as scores."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((16, 1, 1, 1)), rng.standard_normal((5, 16, 1, 1))
    weights[1][rng.random(weights[1].shape) < 0.9] = 0
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "first"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "second"], ["c"]),
            helper.make_node("GlobalAveragePool", ["c"], ["d"]),
            helper.make_node("Flatten", ["d"], ["scores"]),
        ],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 5])],
        [
            numpy_helper.from_array(array.astype(np.float32), name)
            for array, name in zip(weights, ("first", "second"), strict=True)
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the three models; the dense one is another network."""
    onnx.save(classifier(1), tmp_path / "dense.onnx")
    onnx.save(classifier(0), tmp_path / "pruned.onnx")
    onnx.save(convert(classifier(0), layers="all"), tmp_path / "pruned.sparse.onnx")
    return tmp_path


@pytest.fixture
def images(compare, folder):
    """Return images, and the labels that the pruned network gives three quarters of them."""
    rng = np.random.default_rng(2)
    brightness = rng.uniform(-3, 3, (40, 1, 1, 1))
    pixels = (brightness + rng.uniform(-1, 1, (40, 1, 8, 8))).astype(np.float32)
    labels = compare.scores(compare.open_session(folder / "pruned.onnx", 1), pixels).argmax(1)
    assert len(set(labels)) > 1
    labels[30:] = (labels[30:] + 1) % 5
    return pixels, labels


def test_accuracy_size_and_latency_of_each_model(compare, folder, images):
    rows = compare.compare(folder, *images, threads=[1, 2], runs=20)
    assert [row.accuracy == 0.75 for row in rows] == [False, True, True, True]
    for row, file in zip(rows, ("dense", "pruned", "pruned", "pruned.sparse"), strict=True):
        assert row.size == (folder / f"{file}.onnx").stat().st_size
        assert set(row.milliseconds) == {1, 2}
        assert all(latency > 0 for latency in row.milliseconds.values())


def test_a_model_that_finds_other_digits_is_an_error(compare, folder, images):
    onnx.save(convert(classifier(3), layers="all"), folder / "pruned.sparse.onnx")
    with pytest.raises(SystemExit, match="finds other digits than"):
        compare.compare(folder, *images, threads=[1], runs=20)


def test_a_missing_model_is_an_error(compare, folder, images):
    (folder / "pruned.onnx").unlink()
    with pytest.raises(SystemExit, match=r"pruned\.onnx: is missing"):
        compare.compare(folder, *images, threads=[1], runs=20)


def test_the_table(compare):
    rows = [
        compare.Row("dense", "ONNX Runtime", 0.99, 2_000_000, {1: 2.0, 2: 1.0}),
        compare.Row("converted", "with ort_sparse", 0.98, 400_000, {1: 0.5, 2: 0.5}),
    ]
    assert compare.as_markdown(rows).splitlines() == [
        "| model | run by | accuracy | file | 1 thread | 2 threads |",
        "| --- | --- | --: | --: | --: | --: |",
        "| dense | ONNX Runtime | 99.00% | 2000 KB | 2.000 ms (1.00x) | 1.000 ms (1.00x) |",
        "| converted | with ort_sparse | 98.00% | 400 KB | 0.500 ms (4.00x) | 0.500 ms (2.00x) |",
    ]
