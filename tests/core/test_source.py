from __future__ import annotations

import numpy as np
import onnx
import pytest
from models import sparse_model
from onnx import helper, numpy_helper
from oracle import random_op

from ort_sparse import InvalidArgumentError, InvalidModelError
from ort_sparse.source import read_source

TFLITE = b"\x1c\x00\x00\x00TFL3rest"


@pytest.fixture
def model():
    return sparse_model(random_op(np.random.default_rng(0)), [1, 24, 4])


def test_kinds(model, tmp_path):
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "a.tflite").write_bytes(TFLITE)
    (tmp_path / "noname").write_bytes(TFLITE)
    assert read_source(model).onnx is model
    assert read_source(model.SerializeToString()).onnx == model
    assert read_source(TFLITE).tflite == TFLITE
    assert read_source(tmp_path / "a.onnx").onnx == model
    assert read_source(str(tmp_path / "a.tflite")).tflite == TFLITE
    assert read_source(tmp_path / "noname").tflite == TFLITE


def test_missing_file(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"a\.onnx: cannot be read: No such file"):
        read_source(tmp_path / "a.onnx")


def test_another_type():
    with pytest.raises(InvalidArgumentError, match=r"source: must be a path.*but is int"):
        read_source(3)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x00" * 100])
def test_garbage(data):
    with pytest.raises(InvalidModelError, match="model: is n"):
        read_source(data)


@pytest.mark.parametrize("word", [b"SparseConv1x1", b"layer", b"indptr"])
def test_text_that_is_no_utf8(model, word):
    data = model.SerializeToString().replace(word, b"\xee" + word[1:])
    with pytest.raises(InvalidModelError, match=r"onnx\.\w+\.\w+: must be UTF-8 text, but is b'"):
        read_source(data)


def external_model(location: str) -> onnx.ModelProto:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])],
        "g",
        [],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [4])],
        [tensor],
    )
    return helper.make_model(graph)


def test_external_data_is_loaded(tmp_path):
    (tmp_path / "w.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    (tmp_path / "a.onnx").write_bytes(external_model("w.bin").SerializeToString())
    loaded = read_source(tmp_path / "a.onnx").onnx
    assert numpy_helper.to_array(loaded.graph.initializer[0]).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("location", ["missing.bin", "../secret.bin", "/etc/passwd"])
def test_external_data_out_of_place(tmp_path, location):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    (folder / "a.onnx").write_bytes(external_model(location).SerializeToString())
    with pytest.raises(InvalidModelError, match=r"a\.onnx: external data: "):
        read_source(folder / "a.onnx")
