"""Models whose dynamic sizes are not as dynamic as they say, in every command that runs models."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from cli.test_cli import fail, run, sparse_nodes, succeed
from onnx import TensorProto, helper, numpy_helper

import ort_sparse
from ort_sparse import UnsupportedModelError


@pytest.fixture
def text_encoder(tmp_path):
    """Path of a model that says any length and has a table of 77 positions."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((64, 64)) * (rng.random((64, 64)) < 0.1)
    arrays = {"table": rng.standard_normal((77, 64)), "w": weights}
    shape = ["n", "length", 64]
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "table"], ["h"]),
            helper.make_node("MatMul", ["h", "w"], ["y"], name="layer"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array.astype(np.float32), n) for n, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "text.onnx"
    onnx.save(model, path)
    return path


def test_convert(text_encoder, tmp_path):
    out = tmp_path / "out.onnx"
    message = fail("convert", text_encoder, "--layers", "all", "-o", out)
    for words in ("dynamic sizes", "x=1,128,64", "--shape INPUT=1,77", "--no-verify", "--batch"):
        assert words in message
    assert "nvalid" not in message
    assert not out.exists()
    succeed("convert", text_encoder, "--layers", "all", "-o", out, "--no-verify")
    assert len(sparse_nodes(out)) == 1
    shape = ("--shape", "x=2,77,64")
    printed = json.loads(
        succeed("convert", text_encoder, "--layers", "all", "-o", out, "--json", *shape)
    )
    assert printed["comparison"]["outputs"][0]["shape"] == [2, 77, 64]
    assert "equal" in succeed("verify", text_encoder, out, *shape)


def test_bench(text_encoder):
    message = fail("bench", text_encoder, "--runs", "1")
    assert "--shape INPUT=1,77" in message
    assert "no-verify" not in message
    succeed("bench", text_encoder, "--runs", "1", "--shape", "x=1,77,64")


def test_tune(text_encoder):
    with pytest.raises(UnsupportedModelError, match="--shape INPUT=1,77"):
        ort_sparse.convert(text_encoder, tune=True)
    ort_sparse.convert(text_encoder, tune=True, shapes={"x": (1, 77, 64)})


@pytest.mark.parametrize("value", ["77", "x=a", "=1,77", "x=1,"])
def test_shapes_that_are_none(text_encoder, value):
    message = fail("verify", text_encoder, text_encoder, "--shape", value)
    assert message == f"error: --shape: must be like INPUT=1,77, but is {value!r}"


def test_options_of_the_comparison(text_encoder, tmp_path):
    options = ("--shape", "x=1,77,64", "--seed", "3", "--batch", "1")
    done = run(
        *("convert", text_encoder, "-o", tmp_path / "out.onnx", "--layers", "all"),
        *("--tolerance", "0", *options),
    )
    assert done.returncode == 1
    assert "of seed 3" in done.stderr
    assert "may differ by nothing" in done.stderr
