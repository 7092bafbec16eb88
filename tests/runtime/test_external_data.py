"""Models whose weights lie in a file beside them."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import ort_sparse
from ort_sparse import UnsupportedModelError, onnx_graph
from ort_sparse.files import ALIGNMENT, MIN_EXTERNAL_BYTES, write_model

NAME = "pytorch_torchscript.onnx"


@pytest.fixture
def path(tmp_path, data_folder):
    """Path of a model with all its constants in another file."""
    model = onnx.load(data_folder / NAME)
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="all.bin", size_threshold=0)
    return path


def constants(model: onnx.ModelProto) -> dict[str, bytes]:
    return {t.name: numpy_helper.to_array(t).tobytes() for t in model.graph.initializer}


def test_read(path, data_folder):
    one, two = (
        ort_sparse.convert(source, layers="all", verify=False)
        for source in (data_folder / NAME, path)
    )
    assert one.graph.node == two.graph.node
    assert constants(one) == constants(two)


def test_write_and_run(path, tmp_path):
    model = ort_sparse.convert(path, layers="all", verify=False)
    target = tmp_path / "out.onnx"
    size = write_model(target, model, external_data=True)
    data = tmp_path / "out.onnx.data"
    assert size == target.stat().st_size + data.stat().st_size
    stored = onnx.load(target, load_external_data=False)
    outside = [t for t in stored.graph.initializer if t.external_data]
    assert len(outside) == 8
    for tensor in outside:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        assert entries["location"] == data.name
        assert int(entries["length"]) >= MIN_EXTERNAL_BYTES
        assert int(entries["offset"]) % ALIGNMENT == 0
    feeds = {"input": np.ones((2, 3, 32, 32), np.float32)}
    (expected,), (actual,) = (
        ort_sparse.session(source).run(None, feeds) for source in (model, target)
    )
    assert actual.tobytes() == expected.tobytes()
    assert constants(onnx.load(target)) == constants(model)
    assert ort_sparse.verify(path, target).passed


def test_the_model_is_left_as_it_was(tmp_path, data_folder):
    model = onnx.load(data_folder / NAME)
    before = model.SerializeToString()
    write_model(tmp_path / "out.onnx", model, external_data=True)
    assert model.SerializeToString() == before
    assert sorted(os.listdir(tmp_path)) == ["out.onnx", "out.onnx.data"]


def test_weights_beyond_the_limit_of_protobuf(path, monkeypatch):
    monkeypatch.setattr(onnx_graph, "MAX_BYTES", 50_000)
    with pytest.raises(UnsupportedModelError, match="weights must take at most 50000 bytes in all"):
        ort_sparse.convert(path)
