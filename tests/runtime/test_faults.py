"""Deliberate faults in converted models: every one must be told from rounding."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper
from tflite_builder import FileBuilder

from ort_sparse.conversion import convert_and_report
from ort_sparse.op import OP_TYPE
from ort_sparse.options import ConvertOptions
from ort_sparse.verification import compare

BIAS = {OP_TYPE: 4, "Conv": 2}
"""Where a layer has its bias among its inputs."""


class Fault:
    """A copy of a model, to break something in it."""

    def __init__(self, model):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.layers = [node for node in self.model.graph.node if node.op_type in BIAS]

    def stored(self, name):
        """Return the initializer behind a name, or behind the Cast that widens it."""
        for node in self.model.graph.node:
            if node.op_type == "Cast" and node.output[0] == name:
                name = node.input[0]
        (tensor,) = [each for each in self.model.graph.initializer if each.name == name]
        return tensor

    def change(self, name, function):
        tensor = self.stored(name)
        array = numpy_helper.to_array(tensor).copy()
        before = array.copy()
        function(array)
        assert not np.array_equal(array, before)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def dropped_bias(fault):
    layers = [layer for layer in fault.layers if len(layer.input) > BIAS[layer.op_type]]
    layer = layers[len(layers) // 2]
    fault.change(layer.input[BIAS[layer.op_type]], lambda bias: bias.fill(0))


def dropped_last_bias(fault):
    layer = next(x for x in reversed(fault.layers) if len(x.input) > BIAS[x.op_type])
    fault.change(layer.input[BIAS[layer.op_type]], lambda bias: bias.fill(0))


def one_weight_of_the_smallest_layer(fault):
    """A weight of median size gets the other sign."""

    def negate(array):
        flat = array.reshape(-1)
        order = [i for i in np.argsort(np.abs(flat)) if flat[i]]
        flat[order[len(order) // 2]] *= -1

    def size(layer):
        return int(np.prod(fault.stored(layer.input[1]).dims))

    fault.change(min(fault.layers, key=size).input[1], negate)


def swapped_channels(fault):
    layer = next(layer for layer in fault.layers if layer.op_type == "Conv")

    def swap(array):
        array[[0, 1]] = array[[1, 0]]

    fault.change(layer.input[1], swap)


def wrong_pad(fault):
    """One row of zeros goes from the end to the beginning."""

    def move(pads):
        height = len(pads) // 2 - 2
        assert pads[len(pads) // 2 + height] > 0
        pads[height] += 1
        pads[len(pads) // 2 + height] -= 1

    for node in fault.model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Conv" and attribute.name == "pads" and any(attribute.ints):
                pads = list(attribute.ints)
                move(pads)
                attribute.ints[:] = pads
                return
        if node.op_type == "Pad" and numpy_helper.to_array(fault.stored(node.input[1]))[6]:
            fault.change(node.input[1], move)
            return
    raise AssertionError("the model pads nothing")


def missing_activation(fault):
    for node in reversed(fault.layers):
        for attribute in node.attribute:
            if attribute.name == "activation":
                node.attribute.remove(attribute)
                return
    raise AssertionError("the model has no activation in a SparseConv1x1")


FAULTS = (
    dropped_bias,
    dropped_last_bias,
    one_weight_of_the_smallest_layer,
    swapped_channels,
    wrong_pad,
    missing_activation,
)


@pytest.fixture(scope="module")
def converted(shared_models):
    """Return a function from a name to a TFLite file and its conversion, made once."""
    done = {}

    def convert(name):
        if name not in done:
            path = shared_models / f"{name}.tflite"
            done[name] = (path, convert_and_report(path, ConvertOptions(layers="all")).model)
        return done[name]

    return convert


@pytest.mark.parametrize("name", ["face_detection_full_range_sparse", "pose_detection"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_real_model_with_a_fault(converted, name, fault):
    path, model = converted(name)
    broken = Fault(model)
    fault(broken)
    assert not compare(path, broken.model).passed


def face_presence(bias, file_bias=None):
    """Return a TFLite file whose second output is a sigmoid of a number around ``bias``."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((64, 32)) * (rng.random((64, 32)) < 0.1)
    file = FileBuilder()
    x = file.tensor("x", (1, 32))
    h, z, p = (file.tensor(name, (1, n)) for name, n in (("h", 64), ("z", 1), ("face", 1)))
    w = file.constant("w", weights.astype(np.float32))
    v = file.constant("v", (rng.standard_normal((1, 64)) / 8).astype(np.float32))
    b = file.constant("b", np.array([bias], np.float32))
    file.operator("FULLY_CONNECTED", [x, w, -1], [h], schema.FullyConnectedOptionsT())
    file.operator("FULLY_CONNECTED", [h, v, b], [z], schema.FullyConnectedOptionsT())
    file.operator("LOGISTIC", [z], [p])
    return file.finish([x], [h, p])


def test_a_tiny_sigmoid_of_a_tflite_file(monkeypatch):
    """LiteRT gives about 2e-9, ONNX Runtime's own sigmoid 0; its input tells right from wrong."""
    monkeypatch.setenv("ORT_SPARSE_REGIONS", "off")
    data = face_presence(-20)
    conversion = convert_and_report(data, ConvertOptions(layers="all"))
    _, face, before = conversion.comparison.outputs
    assert conversion.replaced == 1
    assert 0 < face.largest < 1e-7
    assert face.error > 2e-5
    assert before.error < 2e-5
    for wrong in (-20.1, -19, -8):
        other = convert_and_report(face_presence(wrong), ConvertOptions(verify=False)).model
        assert not compare(data, other).passed


def small_model():
    """Return two sparse layers with bias and activation round a padded 3x3 convolution."""
    rng = np.random.default_rng(2)

    def weights(rows, columns):
        occupied = rng.random((rows, columns, 1, 1)) < 0.1
        return rng.standard_normal((rows, columns, 1, 1)) * occupied

    arrays = {
        "a": weights(32, 16),
        "ab": rng.standard_normal(32),
        "k": rng.standard_normal((32, 32, 3, 3)) / 17,
        "kb": rng.standard_normal(32),
        "c": weights(8, 32),
        "cb": rng.standard_normal(8),
    }
    nodes = [
        helper.make_node("Conv", ["x", "a", "ab"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Conv", ["r", "k", "kb"], ["m"], pads=[0, 0, 1, 1], strides=[2, 2]),
        helper.make_node("Conv", ["m", "c", "cb"], ["z"]),
        helper.make_node("Relu", ["z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 16, 16])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_small_model_with_a_fault(fault):
    source = small_model()
    conversion = convert_and_report(source, ConvertOptions(layers="all"))
    assert conversion.replaced == 2
    broken = Fault(conversion.model)
    fault(broken)
    assert not compare(source, broken.model).passed
