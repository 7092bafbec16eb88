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


def change_attribute(name, **value):
    def change(model):
        node = model.graph.node[0]
        kept = [a for a in node.attribute if a.name != name]
        del node.attribute[:]
        node.attribute.extend(kept)
        if value:
            node.attribute.append(helper.make_attribute(name, value["to"]))

    return change


def change_constant(name, edit):
    def change(model):
        for tensor in model.graph.initializer:
            if tensor.name == name:
                array = edit(numpy_helper.to_array(tensor).copy())
                tensor.CopyFrom(numpy_helper.from_array(array, name))

    return change


def set_entry(index, value):
    def edit(array):
        array[index] = value
        return array

    return edit


def computed(name):
    def change(model):
        node = model.graph.node[0]
        node.input[list(node.input).index(name)] = name + "_computed"
        model.graph.input.append(
            helper.make_tensor_value_info(
                name + "_computed",
                next(t.data_type for t in model.graph.initializer if t.name == name),
                next(list(t.dims) for t in model.graph.initializer if t.name == name),
            )
        )

    return change


def drop_input(name):
    def change(model):
        node = model.graph.node[0]
        node.input[list(node.input).index(name)] = ""

    return change


def rename(name):
    def change(model):
        model.graph.node[0].name = name
        del model.graph.node[0].attribute[:]

    return change


BAD_NODES = {
    "index too large": (
        change_constant("indices", set_entry(3, 24)),
        r"indices: must lie in 0\.\.23, but entry 3 is 24",
    ),
    "index negative": (
        change_constant("indices", lambda a: set_entry(2, -1)(a.astype(np.int32))),
        r"indices: must lie in 0\.\.23, but entry 2 is -1",
    ),
    "index twice": (
        change_constant("indices", lambda a: set_entry(1, a[0])(a)),
        "indices: must be strictly increasing within a block row, but entry 1 is",
    ),
    "indices of rank 2": (
        change_constant("indices", lambda a: a[:, None]),
        "indices: must have rank 1, but has rank 2",
    ),
    "indptr of float32": (
        change_constant("indptr", lambda a: a.astype(np.float32)),
        "indptr: must be uint8, uint16 or int32, but has ONNX element type 1",
    ),
    "indptr empty": (
        change_constant("indptr", lambda a: a[:0]),
        "indptr: must have at least 2 entries, but has 0",
    ),
    "indptr too short": (
        change_constant("indptr", lambda a: a[:-1]),
        "indptr: must end with the number of blocks",
    ),
    "indptr too long": (
        change_constant("indptr", lambda a: np.append(a, a[-1])),
        "bias: must have 17 entries",
    ),
    "values empty": (change_constant("values", lambda a: a[:0]), "values: must have shape"),
    "bias of rank 0": (
        change_constant("bias", lambda a: a[0]),
        "bias: must have rank 1, but has rank 0",
    ),
    "bias of int32": (
        change_constant("bias", lambda a: a.astype(np.int32)),
        "bias: must be float32 or float16",
    ),
    "in_channels zero": (change_attribute("in_channels", to=0), "in_channels: must lie in"),
    "in_channels negative": (change_attribute("in_channels", to=-24), "in_channels: must lie in"),
    "in_channels too few": (
        change_attribute("in_channels", to=23),
        r"indices: must lie in 0\.\.22, but entry",
    ),
    "block_rows zero": (change_attribute("block_rows", to=0), "block_rows: must lie in"),
    "stride negative": (change_attribute("strides", to=[1, -1]), "strides: must lie in"),
    "stride huge": (change_attribute("strides", to=[1, 2**40]), "strides: must lie in"),
    "strides of floats": (
        change_attribute("strides", to=[1.0, 1.0]),
        "strides: must be an attribute of type ints",
    ),
    "strides of one int": (
        change_attribute("strides", to=2),
        "strides: must be an attribute of type ints",
    ),
    "activation_min a string": (
        change_attribute("activation_min", to="0"),
        "activation_min: must be an attribute of type float",
    ),
    "indices unsorted": (
        change_constant("indices", lambda a: a[::-1].copy()),
        "indices: must be strictly increasing",
    ),
    "indices of int64": (
        change_constant("indices", lambda a: a.astype(np.int64)),
        "indices: must be uint8, uint16 or int32",
    ),
    "indptr starts late": (
        change_constant("indptr", set_entry(0, 1)),
        "indptr: must start with 0, but starts with 1",
    ),
    "indptr decreases": (change_constant("indptr", set_entry(2, 0)), "indptr: must not decrease"),
    "indptr ends early": (
        change_constant("indptr", lambda a: np.minimum(a, a[-1] - 1)),
        "indptr: must end with the number of blocks",
    ),
    "indptr negative": (
        change_constant("indptr", lambda a: set_entry(1, -5)(a.astype(np.int32))),
        "indptr: must not decrease, but goes from 0 to -5",
    ),
    "indptr of one entry": (
        change_constant("indptr", lambda a: a[:1]),
        "indptr: must have at least 2 entries",
    ),
    "values too few": (change_constant("values", lambda a: a[:-1]), "values: must have shape"),
    "values flat": (
        change_constant("values", lambda a: a.ravel()),
        "values: must have rank 2, but has rank 1",
    ),
    "values of float64": (
        change_constant("values", lambda a: a.astype(np.float64)),
        "values: must be float32 or float16",
    ),
    "bias too short": (change_constant("bias", lambda a: a[:-1]), "bias: must have 16 entries"),
    "values computed": (computed("values"), "values: must be constant"),
    "bias computed": (computed("bias"), "bias: must be constant"),
    "no in_channels": (
        change_attribute("in_channels"),
        r"in_channels: must lie in 1\.\.2\*\*24, but is 0",
    ),
    "in_channels a float": (
        change_attribute("in_channels", to=24.0),
        "in_channels: must be an attribute of type int",
    ),
    "in_channels huge": (change_attribute("in_channels", to=2**40), "in_channels: must lie in"),
    "block_rows negative": (change_attribute("block_rows", to=-2), "block_rows: must lie in"),
    "block_rows wrong": (change_attribute("block_rows", to=2), "values: must have shape"),
    "block_rows huge": (
        change_attribute("block_rows", to=2**31 - 1),
        r"block_rows: must lie in 1\.\.64, but is 2147483647",
    ),
    "stride zero": (change_attribute("strides", to=[1, 0]), "strides: must lie in"),
    "too many strides": (
        change_attribute("strides", to=[1, 1, 1, 1]),
        "strides: must have at most 3",
    ),
    "unknown activation": (
        change_attribute("activation", to="gelu"),
        "activation: must be one of .* is 'gelu'",
    ),
    "activation an int": (
        change_attribute("activation", to=3),
        "activation: must be an attribute of type string",
    ),
    "activation endless": (
        change_attribute("activation", to="x" * 100),
        "activation: must be one of",
    ),
    "prelu without slope": (
        change_attribute("activation", to="prelu"),
        "slope: must be given with activation prelu",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD_NODES.values(), ids=BAD_NODES.keys())
def test_refuses_node(change, message):
    model = sparse_model(random_op(rng()), [1, 24, 4, 4])
    change(model)
    with pytest.raises(Exception, match="node 'layer': " + message):
        ort_sparse.session(model)


@pytest.mark.parametrize("name", ["a" + "\u00e9" * 60, "x" * 10_000, "\u6a21" * 40])
def test_refuses_node_with_a_name_that_is_cut(name):
    """The message stays one that every binding of ONNX Runtime can decode."""
    model = sparse_model(random_op(rng()), [1, 24, 4, 4])
    rename(name)(model)
    with pytest.raises(Exception, match="in_channels: must lie in") as caught:
        ort_sparse.session(model)
    assert not isinstance(caught.value, UnicodeError)


def test_refuses_activation_that_is_no_text():
    model = sparse_model(random_op(rng()), [1, 24, 4, 4])
    change_attribute("activation", to=b"a\xff\xfe")(model)
    with pytest.raises(Exception, match=r"activation: must be one of .*'a\?\?'"):
        ort_sparse.session(model)


def test_nan_and_infinite_weights_are_no_error():
    model = sparse_model(random_op(rng(), bias=False), [1, 24, 4, 4])
    change_constant("values", lambda a: set_entry((0, 0), np.nan)(a))(model)
    change_constant("values", lambda a: set_entry((-1, 0), np.inf)(a))(model)
    (y,) = ort_sparse.session(model).run(None, {"X": np.ones((1, 24, 4, 4), np.float32)})
    assert np.isnan(y[0, 0]).all()
    assert np.isinf(y[0, -1]).all()
    assert np.isfinite(y[0, 1:-1]).all()


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd"])
def test_refuses_external_data_outside_the_folder(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(bytes(10_000))
    (tmp_path / "model").mkdir()
    model = sparse_model(random_op(rng()), [1, 24, 4, 4])
    for tensor in model.graph.initializer:
        if tensor.name == "values":
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=location)
    path = tmp_path / "model" / "a.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(Exception, match=r"[Ee]xternal data"):
        ort_sparse.session(path)


def test_refuses_missing_weights():
    model = sparse_model(random_op(rng()), [1, 24, 4, 4])
    drop_input("indices")(model)
    with pytest.raises(Exception, match="input 2 is marked single"):  # ORT's own words
        ort_sparse.session(model)


def test_refuses_clip_bounds():
    model = sparse_model(random_op(rng(), activation=Activation("clip", 0, 6)), [1, 24, 4, 4])
    change_attribute("activation_min", to=7.0)(model)
    with pytest.raises(Exception, match="activation_min: must be at most activation_max"):
        ort_sparse.session(model)


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
