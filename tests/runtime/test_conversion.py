"""`convert` as a whole, on ONNX models; the real TFLite files are in test_real_models.py."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import PROJECT
from onnx import TensorProto, helper, numpy_helper

import ort_sparse
from ort_sparse import InvalidArgumentError, InvalidModelError, UnsupportedModelError
from ort_sparse.conversion import convert_and_report, densify
from ort_sparse.op import OP_TYPE
from ort_sparse.options import ConvertOptions
from ort_sparse.report.conversion import conversion_notes, conversion_summary


def conv_model(density=0.1, opset=17):
    rng = np.random.default_rng(0)
    occupied = rng.random((64, 64, 1, 1)) < density
    weights = np.where(occupied, rng.standard_normal((64, 64, 1, 1)), 0)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["h"], name="conv"),
            helper.make_node("Relu", ["h"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64, 28, 28])],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def op_types(model):
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("opset", range(7, 27))
def test_every_opset(opset):
    model = conv_model(opset=opset)
    converted = ort_sparse.convert(model, layers="all")
    assert op_types(converted) == [OP_TYPE]
    assert op_types(model) == ["Conv", "Relu"]
    for batch in (1, 8):
        assert ort_sparse.verify(model, converted, batch=batch).passed


def test_bytes_and_path(tmp_path):
    onnx.save(conv_model(), tmp_path / "a.onnx")
    from_path = ort_sparse.convert(tmp_path / "a.onnx", layers="all")
    from_bytes = ort_sparse.convert((tmp_path / "a.onnx").read_bytes(), layers="all")
    assert from_path == from_bytes


def test_nothing_to_do_returns_the_model_unchanged():
    model = conv_model(density=1)
    conversion = convert_and_report(model)
    assert conversion.model is model
    assert conversion.replaced == 0
    assert conversion.comparison is None


def test_says_what_was_done():
    model = ort_sparse.convert(conv_model(), layers="all")
    notes = {entry.key: entry.value for entry in model.metadata_props}
    assert notes["ort_sparse.version"] == ort_sparse.__version__
    assert notes["ort_sparse.sparse_layers"] == "1 of 1"


def test_says_what_it_needs():
    """A session without our library gives a message that the file itself explains."""
    source = conv_model()
    source.doc_string = "Finds cats."
    model = ort_sparse.convert(source, layers="all")
    with pytest.raises(Exception, match="not a registered function/op") as caught:
        onnxruntime.InferenceSession(model.SerializeToString())
    message = "ort_sparse:SparseConv1x1(-1) is not a registered function/op"
    assert message in str(caught.value)
    notes = {entry.key: entry.value for entry in model.metadata_props}
    assert model.doc_string == f"Finds cats.\n\n{notes['ort_sparse.how_to_run']}"
    for words in (message, "register_custom_ops_library", "ort-sparse densify"):
        assert words in model.doc_string
    assert message in (PROJECT / "README.md").read_text()
    restored = densify(model)
    assert restored.doc_string == "Finds cats."
    assert not [entry for entry in restored.metadata_props if "ort_sparse" in entry.key]


def test_converting_again_counts_what_is_sparse_already():
    once = ort_sparse.convert(conv_model(), layers="all")
    again = convert_and_report(once)
    assert (again.replaced, again.already_sparse, len(again.layers)) == (0, 1, 1)
    (note,) = conversion_notes(again, min_sparsity=0.5)
    assert note == (
        "1 of 1 layers are sparse already; no other layer has at least 50% zeros; "
        "nothing became sparse"
    )
    summary = conversion_summary(again, output="a.onnx", bytes_before=1, bytes_after=1)
    assert summary.endswith("1 of 1 layers are SparseConv1x1, 1 of them since before")


def test_converting_again_with_a_lower_limit():
    model = conv_model()
    weights = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weights[:, :38] = 1  # about 40 % zeros
    model.graph.initializer.append(numpy_helper.from_array(weights, "v"))
    model.graph.node[1].output[0] = "r"
    model.graph.node.append(helper.make_node("Conv", ["r", "v"], ["y"], name="second"))
    once = convert_and_report(model, ConvertOptions(layers="all"))
    assert (once.replaced, once.already_sparse) == (1, 0)
    again = convert_and_report(once.model, ConvertOptions(layers="all", min_sparsity=0.3))
    assert (again.replaced, again.already_sparse) == (1, 1)
    notes = {entry.key: entry.value for entry in again.model.metadata_props}
    assert notes["ort_sparse.sparse_layers"] == "2 of 2"
    assert again.model.doc_string == once.model.doc_string


def test_densify_restores_the_weights_bit_for_bit():
    model = conv_model()
    restored = densify(ort_sparse.convert(model, layers="all"))
    assert OP_TYPE not in op_types(restored)
    arrays = [numpy_helper.to_array(tensor) for tensor in restored.graph.initializer]
    (weights,) = [array for array in arrays if array.size == 64 * 64]
    original = numpy_helper.to_array(model.graph.initializer[0])
    assert weights.tobytes() == original.tobytes()


def test_densify_is_limited_by_what_is_stored():
    model = ort_sparse.convert(conv_model(), layers="all")
    (node,) = model.graph.node
    for attribute in node.attribute:
        if attribute.name == "in_channels":
            attribute.i = 2**24
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**24
    with pytest.raises(UnsupportedModelError, match=f"take {64 * 2**26} bytes dense, more than"):
        densify(model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_sparsity": 1.5}, r"min_sparsity: must lie in 0\.\.1, but is 1.5"),
        ({"block_rows": 3}, "block_rows: must be one of"),
        ({"layers": "some"}, "layers: must be 'auto' or 'all', but is 'some'"),
        ({"opset": 15}, "this is an ONNX model"),
        ({"inputs_as_nchw": True}, "this is an ONNX model"),
    ],
)
def test_refuses_options(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        ort_sparse.convert(conv_model(), **options)


def test_refuses_an_invalid_graph():
    model = conv_model()
    model.graph.node[0].input[0] = "nowhere"
    with pytest.raises(InvalidModelError, match="is no valid ONNX model"):
        ort_sparse.convert(model)


def test_refuses_onnx_sparse_tensors():
    model = conv_model()
    tensor = model.graph.sparse_initializer.add()
    tensor.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "s"))
    tensor.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64)))
    tensor.dims.append(4)
    with pytest.raises(UnsupportedModelError, match="ONNX sparse tensors"):
        ort_sparse.convert(model)


def test_dynamic_height_and_width():
    model = conv_model()
    weights = np.ones((4, 64, 5, 5), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weights, "v"))
    model.graph.node[1].output[0] = "r"
    model.graph.node.append(helper.make_node("Conv", ["r", "v"], ["y"]))
    for value, channels in ((model.graph.input[0], 64), (model.graph.output[0], 4)):
        shape = ["n", channels, "height", "width" if channels == 64 else "less"]
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, shape))
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "lower"
    conversion = convert_and_report(model)
    assert conversion.replaced == 1
    assert conversion.comparison.passed
    (output,) = conversion.comparison.outputs
    assert output.shape == (1, 4, 124, 124)


def with_weight_inputs(model, ir_version):
    """Make inputs of the initializers, as every file of version 3 has them."""
    model.ir_version = ir_version
    for tensor in model.graph.initializer:
        model.graph.input.append(
            helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims)
        )
    return model


@pytest.mark.parametrize("ir_version", [3, 8])
def test_weights_that_are_inputs_too_become_constants(ir_version):
    model = with_weight_inputs(conv_model(), ir_version)
    conversion = convert_and_report(model, ConvertOptions(layers="all"))
    assert op_types(conversion.model) == [OP_TYPE]
    assert [value.name for value in conversion.model.graph.input] == ["x"]
    assert conversion.constant_inputs == ["w"]
    assert conversion.comparison.passed
    assert conversion.model.ir_version >= 4  # where initializers need not be inputs
    onnx.checker.check_model(conversion.model)
    assert len(model.graph.input) == 2


def test_weights_that_stay_inputs_stay_dense():
    model = with_weight_inputs(conv_model(), 8)
    conversion = convert_and_report(model, ConvertOptions(layers="all", keep_weight_inputs=True))
    assert conversion.model is model
    assert conversion.layers == []
    assert conversion.constant_inputs == []
    (layer,) = conversion.other_layers
    assert layer.reason == "its weights 'w' are an input of the model, with a default"
    assert layer.zeros == pytest.approx(0.9, abs=0.02)


def test_inputs_stay_where_nothing_is_replaced():
    model = with_weight_inputs(conv_model(density=1), 3)
    conversion = convert_and_report(model)
    assert conversion.model is model
    assert conversion.constant_inputs == []


@pytest.mark.parametrize("op_type", [None, "Abs"])
def test_computed_weights_are_a_reason_and_no_error(op_type):
    model = conv_model()
    (tensor,) = model.graph.initializer
    model.graph.input.append(helper.make_tensor_value_info("given", TensorProto.FLOAT, tensor.dims))
    del model.graph.initializer[:]
    model.graph.node[0].input[1] = "given"
    if op_type:
        model.graph.node.insert(0, helper.make_node(op_type, ["given"], ["w"]))
        model.graph.node[1].input[1] = "w"
    conversion = convert_and_report(model)
    assert conversion.model is model
    (layer,) = conversion.other_layers
    assert layer.zeros is None
    assert layer.reason == (
        "its weights are computed from an input of the model"
        if op_type
        else "its weights 'given' are an input of the model"
    )


def append(model, op_type, domain):
    """Let an operator of another domain work on the output."""
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node(op_type, ["before"], ["y"], domain=domain))
    model.opset_import.append(helper.make_opsetid(domain, 1))


def test_operators_of_another_domain():
    model = conv_model()
    append(model, "Gelu", "com.microsoft")
    conversion = convert_and_report(model, ConvertOptions(layers="all"))
    assert op_types(conversion.model) == [OP_TYPE, "Gelu"]
    assert conversion.comparison.passed


def test_functions():
    model = conv_model()
    append(model, "Twice", "local")
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("local", "Twice", ["x"], ["y"], nodes, opsets))
    conversion = convert_and_report(model, ConvertOptions(layers="all"))
    assert op_types(conversion.model) == [OP_TYPE, "Twice"]
    assert conversion.model.functions == model.functions
    assert conversion.comparison.passed
