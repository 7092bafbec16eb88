from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from models import sparse_model
from oracle import random_op

import ort_sparse
from ort_sparse import MissingDependencyError
from ort_sparse.dependencies import import_onnxruntime
from ort_sparse.measure.latency import onnx_engine


@pytest.mark.parametrize(
    "use",
    [
        ort_sparse.session,
        ort_sparse.convert,  # before it does anything: this model is converted already
        lambda model: ort_sparse.verify(model, model),
        lambda model: onnx_engine(model, {}, threads=1),
    ],
)
def test_without_onnxruntime_the_message_says_what_to_install(monkeypatch, use):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = sparse_model(random_op(np.random.default_rng(0)), [1, 24, 4])
    with pytest.raises(MissingDependencyError, match=r'pip install "ort_sparse\[cpu\]"'):
        use(model)


def test_converting_without_verification_needs_no_onnxruntime(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = sparse_model(random_op(np.random.default_rng(0)), [1, 24, 4])
    assert ort_sparse.convert(model, verify=False) == model


def test_a_folder_that_an_uninstalled_onnxruntime_left_is_none(monkeypatch):
    """Pip leaves the files of a build that another one was installed over."""
    left = ModuleType("onnxruntime")
    left.__path__ = ["/somewhere/onnxruntime"]
    monkeypatch.setitem(sys.modules, "onnxruntime", left)
    with pytest.raises(MissingDependencyError, match=r"onnxruntime'\] holds no ONNX Runtime"):
        import_onnxruntime()
