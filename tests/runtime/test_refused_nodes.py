"""Nodes of SparseConv1x1 that break a rule: each is refused at session creation, by name."""

from __future__ import annotations

import numpy as np
import pytest
from models import sparse_model
from onnx import TensorProto, helper, numpy_helper
from oracle import random_op

import ort_sparse
from ort_sparse.op import Activation


def rng():
    return np.random.default_rng(7)


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
        f"activation: must be one of .* is '{'x' * 64}'",
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
