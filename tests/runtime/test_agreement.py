"""Rounding passes and wrong results do not: outputs that are tiny, and models that amplify."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import ort_sparse
from ort_sparse import VerificationError
from ort_sparse.conversion import convert_and_report
from ort_sparse.options import ConvertOptions
from ort_sparse.verification import compare

ALL = ConvertOptions(layers="all")
SEEDS = range(10)


def model_of(nodes, constants, x_shape, outputs):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, s) for name, s in outputs.items()],
        [numpy_helper.from_array(np.asarray(a, np.float32), n) for n, a in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def sparse_matrix(rng, rows, columns, density=0.1):
    occupied = rng.random((rows, columns)) < density
    return np.where(occupied, rng.standard_normal((rows, columns)), 0) / np.sqrt(density * columns)


def spectrogram(order=None):
    """Return a model: logarithms of the power of a DFT, then a sparse layer.

    Bins whose power is near zero amplify the rounding of sums by orders of magnitude. ``order``
    permutes the samples inside of the model, so that it sums in another order.
    """
    rng = np.random.default_rng(0)
    samples, bins, frames = 512, 257, 60
    angles = 2 * np.pi * np.outer(np.arange(samples), np.arange(bins)) / samples
    window = np.hanning(samples)[:, None]
    order = np.arange(samples) if order is None else order
    nodes = [
        helper.make_node("Gather", ["x", "order"], ["s"], axis=2),
        helper.make_node("MatMul", ["s", "cos"], ["re"]),
        helper.make_node("MatMul", ["s", "sin"], ["im"]),
        helper.make_node("Mul", ["re", "re"], ["re2"]),
        helper.make_node("Mul", ["im", "im"], ["im2"]),
        helper.make_node("Add", ["re2", "im2"], ["power"]),
        helper.make_node("Add", ["power", "floor"], ["p"]),
        helper.make_node("Log", ["p"], ["log"]),
        helper.make_node("MatMul", ["log", "w"], ["m"], name="layer"),
        helper.make_node("Add", ["m", "b"], ["y"]),
    ]
    constants = {
        "cos": (np.cos(angles) * window)[order],
        "sin": (np.sin(angles) * window)[order],
        "floor": 1e-12,
        "w": sparse_matrix(rng, bins, 64),
        "b": rng.standard_normal(64),
    }
    shapes = {"log": [1, frames, bins], "y": [1, frames, 64]}
    model = model_of(nodes, constants, [1, frames, samples], shapes)
    model.graph.initializer.append(numpy_helper.from_array(order, "order"))
    return model


def face_presence(bias=-20.7):
    """Return a model of two outputs, of which one is a sigmoid of about 3e-9."""
    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["h"], name="trunk"),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["pool"]),
        helper.make_node("Conv", ["pool", "v", "c"], ["z"], name="presence"),
        helper.make_node("Sigmoid", ["z"], ["p"]),
        helper.make_node("Flatten", ["p"], ["face"]),
        helper.make_node("Conv", ["r", "u"], ["marks"], name="landmarks"),
    ]
    constants = {
        "w": sparse_matrix(rng, 64, 32)[:, :, None, None],
        "b": rng.standard_normal(64),
        "v": sparse_matrix(rng, 1, 64, density=0.2)[:, :, None, None],
        "c": [bias],
        "u": rng.standard_normal((8, 64, 3, 3)) / 24,
    }
    shapes = {"face": [1, 1], "marks": [1, 8, 14, 14]}
    return model_of(nodes, constants, [1, 32, 16, 16], shapes)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_model_that_amplifies_rounding_passes_with_every_seed(seed):
    order = np.random.default_rng(seed).permutation(512)
    comparison = compare(spectrogram(), spectrogram(order), seed=seed)
    assert comparison.passed, comparison
    options = ConvertOptions(layers="all", seed=seed)
    assert convert_and_report(spectrogram(), options).replaced == 1


def test_some_seeds_need_more_than_a_share_of_the_largest_value():
    """Without the second rule the test above would be about nothing."""
    rules = set()
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(512)
        comparison = compare(spectrogram(), spectrogram(order), seed=seed)
        rules.update(output.rule for output in comparison.outputs)
        assert comparison.error < 2e-2
    assert rules == {"2e-05 of its values by rank", "16 times what rounding its inputs changes"}


def test_a_tolerance_is_taken_at_its_word():
    seed = next(seed for seed in SEEDS if _error_of_order(seed) > 2e-5)
    order = np.random.default_rng(seed).permutation(512)
    assert not compare(spectrogram(), spectrogram(order), seed=seed, tolerance=2e-5).passed
    assert not compare(spectrogram(), spectrogram(order), seed=seed, tolerance=0).passed
    assert compare(spectrogram(), spectrogram(order), seed=seed, tolerance=1e-1).passed


def _error_of_order(seed):
    order = np.random.default_rng(seed).permutation(512)
    return compare(spectrogram(), spectrogram(order), seed=seed).error


def test_a_tiny_sigmoid_passes():
    conversion = convert_and_report(face_presence(), ALL)
    face, before, marks = conversion.comparison.outputs
    assert conversion.replaced == 2
    assert face.largest < 1e-7
    assert face.error > 2e-5
    assert face.rule == "2.4e-07 (the rounding of 1 in a sigmoid)"
    assert before.name == "face, before its sigmoid"
    assert before.largest == pytest.approx(19.7, abs=0.5)
    assert before.error < 1e-6
    assert marks.rule == "2e-05 of its values by rank"


@pytest.mark.parametrize("bias", [-20.6, -19.0])
def test_a_tiny_sigmoid_of_another_input_does_not_pass(bias):
    with pytest.raises(VerificationError, match="the worst is 'face, before its sigmoid'"):
        ort_sparse.verify(face_presence(), face_presence(bias))


def test_a_tiny_output_of_no_sigmoid_is_compared_with_itself():
    model = face_presence()
    del model.graph.node[4:6]
    model.graph.node.append(helper.make_node("Exp", ["z"], ["p"]))
    model.graph.node.append(helper.make_node("Flatten", ["p"], ["face"]))
    other = onnx.ModelProto()
    other.CopyFrom(model)
    scale(other, "c", 1.0001)
    assert compare(model, model).passed
    assert not compare(model, other).passed


def array_of(model, name):
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def change(model, name, function):
    tensor = array_of(model, name)
    array = np.array(numpy_helper.to_array(tensor))
    function(array)
    tensor.CopyFrom(numpy_helper.from_array(array, name))


def scale(model, name, factor):
    change(model, name, lambda array: np.multiply(array, factor, out=array))


def swap(array):
    array[[0, 1]] = array[[1, 0]]


def one_weight(array):
    flat = array.reshape(-1)
    flat[np.abs(flat).argmax()] *= 0.99


def spectrogram_without_log(model):
    (node,) = [node for node in model.graph.node if node.op_type == "Log"]
    node.op_type = "Identity"


SPECTROGRAM_FAULTS = {
    "a dropped bias": lambda m: scale(m, "b", 0),
    "one dropped bias": lambda m: change(m, "b", lambda b: b.__setitem__(0, 0)),
    "one wrong weight": lambda m: change(m, "w", one_weight),
    "swapped channels": lambda m: change(m, "b", swap),
    "a missing activation": spectrogram_without_log,
}


@pytest.mark.parametrize("fault", SPECTROGRAM_FAULTS.values(), ids=SPECTROGRAM_FAULTS.keys())
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_faults_of_a_model_that_amplifies_rounding(fault, seed):
    order = np.random.default_rng(seed).permutation(512)
    wrong = spectrogram(order)
    fault(wrong)
    assert not compare(spectrogram(), wrong, seed=seed).passed
