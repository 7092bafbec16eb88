"""SparseConv1x1 inside ONNX Runtime sessions."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import onnxruntime
import pytest
from models import sparse_model
from onnx import TensorProto, helper, numpy_helper
from oracle import random_op, sparse_conv

import ort_sparse
from ort_sparse.kernels import supported_isas
from ort_sparse.op import Activation


def rng():
    return np.random.default_rng(7)


def assert_matches(session, op, x, residual=None):
    feeds = {"X": x} if residual is None else {"X": x, "R": residual}
    expected = sparse_conv(op, x, residual)
    (y,) = session.run(None, feeds)
    np.testing.assert_allclose(
        y, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max(initial=0))
    )


@pytest.mark.parametrize("plane", [(), (9,), (7, 7), (3, 4, 5)])
@pytest.mark.parametrize("residual", [False, True])
def test_every_rank(plane, residual):
    op = random_op(rng(), activation=Activation("clip", 0, 6))
    shape = ["n", 24, *(f"d{axis}" for axis in range(len(plane)))]
    session = ort_sparse.session(sparse_model(op, shape, residual=residual))
    x = rng().standard_normal((2, 24, *plane), np.float32)
    added = rng().standard_normal((2, 16, *plane), np.float32) if residual else None
    assert_matches(session, op, x, added)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("activation", ["prelu", "silu", "leaky_relu"])
def test_stored_dtypes(dtype, activation):
    op = random_op(rng(), dtype=dtype, activation=Activation(activation))
    x = rng().standard_normal((1, 24, 5, 5), np.float32)
    assert_matches(ort_sparse.session(sparse_model(op, x.shape)), op, x)


def test_strides():
    op = random_op(rng(), strides=(2, 3))
    x = rng().standard_normal((2, 24, 9, 10), np.float32)
    session = ort_sparse.session(sparse_model(op, ["n", 24, 9, 10]))
    assert session.get_outputs()[0].shape[1:] == [16, 5, 4]  # inferred by the library
    assert_matches(session, op, x)


@pytest.mark.parametrize("regions", ["off", "all"])
def test_an_unknown_size_without_a_name(regions):
    """ONNX Runtime knows another size where it meets one, and must not find a contradiction."""
    op = random_op(rng())
    model = sparse_model(op, [None, 24, 6, 6])
    model.graph.node.append(helper.make_node("Concat", ["Y", "more"], ["joined"], axis=1))
    more = np.ones((1, 2, 6, 6), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(more, "more"))
    model.graph.output[0].name = "joined"
    x = rng().standard_normal((1, 24, 6, 6), np.float32)
    (joined,) = ort_sparse.session(model, regions=regions).run(None, {"X": x})
    np.testing.assert_allclose(joined[:, :16], sparse_conv(op, x, None), rtol=0, atol=1e-4)
    np.testing.assert_array_equal(joined[:, 16:], more)


def test_two_lines_in_an_existing_application():
    op = random_op(rng())
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(ort_sparse.get_library_path())
    model = sparse_model(op, [1, 24, 6, 6]).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    assert_matches(session, op, rng().standard_normal((1, 24, 6, 6), np.float32))


def test_dynamic_batch():
    op = random_op(rng(), 64, 48, activation=Activation("hard_swish"))
    session = ort_sparse.session(sparse_model(op, ["n", 48, 14, 14]))
    for batch in range(9):
        assert_matches(session, op, rng().standard_normal((batch, 48, 14, 14), np.float32))


@pytest.mark.parametrize("driver", ["session", "openmp"])
def test_bits_do_not_depend_on_threads(driver):
    op = random_op(rng(), 256, 64, activation=Activation("silu"))
    model = sparse_model(op, [1, 64, 28, 28])
    x = rng().standard_normal((1, 64, 28, 28), np.float32)
    results = set()
    for threads in (1, 2, 4):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = ort_sparse.session(model, options, threading=driver)
        results.update(session.run(None, {"X": x})[0].tobytes() for _ in range(5))
    assert len(results) == 1


def test_sessions_on_threads_at_once():
    op = random_op(rng(), 128, 64)
    model = sparse_model(op, ["n", 64, 14, 14]).SerializeToString()
    x = rng().standard_normal((1, 64, 14, 14), np.float32)
    expected = ort_sparse.session(model).run(None, {"X": x})[0].tobytes()
    wrong = []

    def work():
        session = ort_sparse.session(model)
        wrong.extend(1 for _ in range(50) if session.run(None, {"X": x})[0].tobytes() != expected)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_one_session_on_threads_at_once():
    op = random_op(rng(), 128, 64)
    session = ort_sparse.session(sparse_model(op, ["n", 64, 14, 14]))
    inputs = [rng().standard_normal((n, 64, 14, 14), np.float32) for n in (1, 2, 3, 4)]
    expected = [session.run(None, {"X": x})[0].tobytes() for x in inputs]
    same = [False] * len(inputs)

    def work(i):
        same[i] = all(
            session.run(None, {"X": inputs[i]})[0].tobytes() == expected[i] for _ in range(50)
        )

    threads = [threading.Thread(target=work, args=[i]) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * len(inputs)


@pytest.mark.parametrize("driver", ["session", "openmp"])
def test_a_hundred_sessions(driver):
    op = random_op(rng(), 128, 64)
    model = sparse_model(op, [1, 64, 14, 14]).SerializeToString()
    x = rng().standard_normal((1, 64, 14, 14), np.float32)
    results = {
        ort_sparse.session(model, threading=driver).run(None, {"X": x})[0].tobytes()
        for _ in range(100)
    }
    assert len(results) == 1


def test_residual_memory_is_reused_safely():
    """ORT may give Y the residual's buffer; X -> A, A + sparse(X), with A needed only there."""
    op = random_op(rng(), 24, 24)
    model = sparse_model(op, [1, 24, 8, 8], [1, 24, 8, 8], residual=True)
    graph = model.graph
    graph.node.insert(0, helper.make_node("Neg", ["X"], ["R"]))
    del graph.input[1]
    x = rng().standard_normal((1, 24, 8, 8), np.float32)
    session = ort_sparse.session(model)
    for _ in range(3):
        (y,) = session.run(None, {"X": x})
        np.testing.assert_allclose(y, sparse_conv(op, x, -x), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 23, 4, 4), "X: must have 24 channels on axis 1, but has 23"),
        ((1, 24, 4), "X: must have 2 spatial axes"),
        ((24,), "X: must have rank 2 to 5, but has rank 1"),
        ((1, 24, 1, 1, 1, 1), "X: must have rank at most 5, but has rank 6"),
        ((1, 0, 4, 4), "X: must have 24 channels on axis 1, but has 0"),
    ],
)
def test_refuses_input_at_run_time(shape, message):
    op = random_op(rng(), strides=(2, 2))
    names = [f"x{axis}" for axis in range(len(shape))]
    session = ort_sparse.session(sparse_model(op, names))
    with pytest.raises(Exception, match=message):
        session.run(None, {"X": np.zeros(shape, np.float32)})


def test_refuses_residual_at_run_time():
    op = random_op(rng())
    session = ort_sparse.session(sparse_model(op, ["n", 24, "w"], ["m", 16, "v"], residual=True))
    x, residual = np.zeros((1, 24, 5), np.float32), np.zeros((1, 16, 6), np.float32)
    with pytest.raises(Exception, match="residual: must have the shape of Y"):
        session.run(None, {"X": x, "R": residual})


@pytest.mark.parametrize("shape", [(1, 16), (1, 16, 5, 1), (2, 16, 5), (1, 15, 5), (0, 16, 5)])
def test_refuses_residual_of_another_shape(shape):
    names = [f"r{axis}" for axis in range(len(shape))]
    model = sparse_model(random_op(rng()), ["n", 24, "w"], residual=True)
    model.graph.input[1].CopyFrom(helper.make_tensor_value_info("R", TensorProto.FLOAT, names))
    session = ort_sparse.session(model)
    feeds = {"X": np.zeros((1, 24, 5), np.float32), "R": np.zeros(shape, np.float32)}
    with pytest.raises(Exception, match="residual: must have the shape of Y"):
        session.run(None, feeds)


@pytest.mark.parametrize("value", ["", "x" * 5000, "\u00e9" * 10, "Session"])
def test_refuses_threading_of_any_other_text(value):
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("ort_sparse.threading", value)
    with pytest.raises(
        Exception, match=r"ort_sparse\.threading: must be session or openmp"
    ) as caught:
        options.register_custom_ops_library(ort_sparse.get_library_path())
    assert not isinstance(caught.value, UnicodeError)


def test_refuses_threading():
    with pytest.raises(ort_sparse.InvalidArgumentError, match="threading: must be one of"):
        ort_sparse.register(onnxruntime.SessionOptions(), threading="tbb")
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("ort_sparse.threading", "tbb")
    with pytest.raises(Exception, match=r"ort_sparse\.threading: must be session or openmp"):
        options.register_custom_ops_library(ort_sparse.get_library_path())


@pytest.mark.parametrize("isa", [*supported_isas(), "avx9"])
def test_isa_from_the_environment(isa, monkeypatch):
    op = random_op(rng(), 64, 24)
    model = sparse_model(op, [1, 24, 9, 9])
    x = rng().standard_normal((1, 24, 9, 9), np.float32)
    monkeypatch.setenv("ORT_SPARSE_ISA", isa)
    if isa == "avx9":
        with pytest.raises(Exception, match=r"ORT_SPARSE_ISA: must be .* is 'avx9'"):
            ort_sparse.session(model)
    else:
        assert_matches(ort_sparse.session(model), op, x)


@pytest.mark.parametrize("isa", [b"\xff\xfe", b"x" * 100_000, b"AVX2", b" ", b"avx2 "])
def test_refuses_any_other_isa(isa, monkeypatch):
    monkeypatch.setitem(os.environb, b"ORT_SPARSE_ISA", isa)
    with pytest.raises(Exception, match="ORT_SPARSE_ISA: must be an instruction set") as caught:
        ort_sparse.session(sparse_model(random_op(rng()), [1, 24, 4, 4]))
    assert not isinstance(caught.value, UnicodeError)


def test_import_is_light():
    code = (
        "import sys, ort_sparse; ort_sparse.get_library_path(); "
        "heavy = {'tensorflow', 'tf2onnx', 'onnxruntime', 'onnx', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
