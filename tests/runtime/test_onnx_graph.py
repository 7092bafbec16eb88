"""Models that break a rule of ONNX and that ONNX Runtime runs, and those that are damaged."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import ort_sparse
from ort_sparse import InvalidModelError, UnsupportedModelError
from ort_sparse.conversion import convert_and_report, densify
from ort_sparse.op import OP_TYPE
from ort_sparse.options import ConvertOptions

SHAPE = (1, 16, 6, 6)


def tensor(array: object, name: str) -> TensorProto:
    return numpy_helper.from_array(np.asarray(array, np.float32), name)


def info(name: str, shape: tuple[int | str, ...] | None = SHAPE) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def small_model(
    *more: onnx.NodeProto,
    opsets: dict[str, int] | None = None,
    ir_version: int = 8,
) -> onnx.ModelProto:
    """Return a valid model: a sparse Conv from x to h, and what gives y from h, Relu by default."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((16, 16, 1, 1)) * (rng.random((16, 16, 1, 1)) < 0.2)
    nodes = [helper.make_node("Conv", ["x", "w"], ["h"], name="conv")]
    nodes += more or [helper.make_node("Relu", ["h"], ["y"])]
    graph = helper.make_graph(nodes, "g", [info("x")], [info("y")], [tensor(weights, "w")])
    imports = [helper.make_opsetid(*item) for item in (opsets or {"": 17}).items()]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


def unsorted() -> onnx.ModelProto:
    model = small_model()
    model.graph.node.reverse()
    return model


def output_without_shape() -> onnx.ModelProto:
    model = small_model()
    model.graph.output[0].CopyFrom(info("y", None))
    return model


def output_without_type() -> onnx.ModelProto:
    model = small_model()
    model.graph.output[0].CopyFrom(onnx.ValueInfoProto(name="y"))
    return model


def input_without_shape() -> onnx.ModelProto:
    model = output_without_shape()
    model.graph.input[0].CopyFrom(info("x", None))
    return model


def no_import_of_microsoft() -> onnx.ModelProto:
    return small_model(helper.make_node("Gelu", ["h"], ["y"], domain="com.microsoft"))


def no_import_of_ml() -> onnx.ModelProto:
    return small_model(helper.make_node("Binarizer", ["h"], ["y"], domain="ai.onnx.ml"))


def no_import_of_onnx() -> onnx.ModelProto:
    return small_model(opsets={"com.microsoft": 1})


def other_name_of_the_domain() -> onnx.ModelProto:
    model = small_model(opsets={"ai.onnx": 17})
    for node in model.graph.node:
        node.domain = "ai.onnx"
    return model


def version_3_without_inputs() -> onnx.ModelProto:
    return small_model(opsets={"": 7}, ir_version=3)


def version_2_with_imports() -> onnx.ModelProto:
    return small_model(opsets={"": 7}, ir_version=2)


def no_name() -> onnx.ModelProto:
    model = small_model()
    model.graph.ClearField("name")
    return model


def metadata_twice() -> onnx.ModelProto:
    """As cameras' apps wrote it for Windows."""
    model = small_model()
    for value in ("Bgr8", "Rgb8"):
        model.metadata_props.add(key="Image.BitmapPixelFormat", value=value)
    return model


REPAIRED = [
    unsorted,
    output_without_shape,
    output_without_type,
    no_import_of_microsoft,
    no_import_of_ml,
    no_import_of_onnx,
    other_name_of_the_domain,
    version_3_without_inputs,
    version_2_with_imports,
    no_name,
    metadata_twice,
]


def op_types(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def conforms(model: onnx.ModelProto) -> bool:
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError:
        return False
    return True


def is_sorted(model: onnx.ModelProto) -> bool:
    known = {value.name for value in [*model.graph.input, *model.graph.initializer]} | {""}
    for node in model.graph.node:
        if not known.issuperset(node.input):
            return False
        known.update(node.output)
    return True


@pytest.mark.parametrize("build", REPAIRED)
def test_what_onnx_runtime_runs_is_read_and_repaired(build: Callable[[], onnx.ModelProto]) -> None:
    model = build()
    assert not conforms(model)
    before = model.SerializeToString()
    conversion = convert_and_report(model, ConvertOptions(layers="all"))
    assert op_types(conversion.model)[0] == OP_TYPE
    assert conversion.comparison is not None
    assert conversion.comparison.passed
    assert conforms(conversion.model)
    assert model.SerializeToString() == before


def test_a_shape_that_nobody_knows_stays_unknown() -> None:
    model = ort_sparse.convert(input_without_shape(), layers="all", verify=False)
    assert op_types(model) == [OP_TYPE]
    assert not model.graph.input[0].type.tensor_type.HasField("shape")
    assert ort_sparse.session(model).run(None, {"x": np.ones(SHAPE, np.float32)})[0].shape == SHAPE


def test_nothing_to_do_returns_the_model_unrepaired() -> None:
    model = unsorted()
    assert ort_sparse.convert(model, min_sparsity=1.0) is model


def layer_norm(x: str, prefix: str) -> list[onnx.NodeProto]:
    """Return the layer norm that exporters wrote before it was an operator."""
    steps = [
        ("ReduceMean", [x], "mean", {"axes": [-1]}),
        ("Sub", [x, "mean"], "centred", {}),
        ("Pow", ["centred", "two"], "squares", {}),
        ("ReduceMean", ["squares"], "variance", {"axes": [-1]}),
        ("Add", ["variance", "epsilon"], "safe", {}),
        ("Sqrt", ["safe"], "deviation", {}),
        ("Div", ["centred", "deviation"], "normal", {}),
        ("Mul", ["normal", "scale"], "scaled", {}),
        ("Add", ["scaled", "shift"], "out", {}),
    ]
    local = {name for _, _, name, _ in steps}
    return [
        helper.make_node(
            op_type,
            [prefix + name if name in local else name for name in inputs],
            [prefix + output],
            name=f"{prefix}{output}",
            **attributes,
        )
        for op_type, inputs, output, attributes in steps
    ]


def transformer(tmp_path) -> onnx.ModelProto:
    """Return a block of a transformer in opset 11, as ONNX Runtime's optimizer writes it."""
    rng = np.random.default_rng(0)

    def sparse(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape) * (rng.random(shape) < 0.2)

    gelu = [
        helper.make_node("Div", ["u", "root"], ["g1"]),
        helper.make_node("Erf", ["g1"], ["g2"]),
        helper.make_node("Add", ["g2", "one"], ["g3"]),
        helper.make_node("Mul", ["u", "g3"], ["g4"]),
        helper.make_node("Mul", ["g4", "half"], ["g"]),
    ]
    nodes = [
        *layer_norm("x", "a_"),
        helper.make_node("MatMul", ["a_out", "w1"], ["m1"], name="up"),
        helper.make_node("Add", ["m1", "b1"], ["u"]),
        *gelu,
        helper.make_node("MatMul", ["g", "w2"], ["m2"], name="down"),
        helper.make_node("Add", ["m2", "b2"], ["d"]),
        helper.make_node("Add", ["d", "x"], ["r"]),
        *layer_norm("r", "b_"),
        helper.make_node("MatMul", ["b_out", "w3"], ["m3"], name="head"),
        helper.make_node("Mul", ["m3", "half"], ["y"]),
    ]
    constants = {
        **{"w1": sparse(16, 64), "b1": np.ones(64), "w2": sparse(64, 16), "b2": np.ones(16)},
        **{"w3": sparse(16, 8), "scale": np.full(16, 1.5), "shift": np.full(16, 0.5)},
        **{"two": 2.0, "epsilon": 1e-5, "root": 2**0.5, "one": 1.0, "half": 0.5},
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [info("x", ("n", "l", 16))],
        [info("y", ("n", "l", 8))],
        [tensor(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    return optimized(model, tmp_path / "optimized.onnx")


def optimized(model: onnx.ModelProto, path, level: str = "EXTENDED") -> onnx.ModelProto:
    """Return the model as ONNX Runtime writes it after optimizing."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(
        onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}"
    )
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return onnx.load(path)


def test_a_transformer_that_onnx_runtime_optimized(tmp_path) -> None:
    """LayerNormalization in opset 11, which ONNX does not know; shapes come from behind it."""
    model = transformer(tmp_path)
    assert {"LayerNormalization", "FusedMatMul"} <= set(op_types(model))
    assert not conforms(model)
    conversion = convert_and_report(model, ConvertOptions(layers="all"))
    assert conversion.replaced == 3
    assert [layer.kind for layer in conversion.layers] == ["MatMul", "MatMul", "FusedMatMul"]
    assert conversion.comparison.passed
    assert is_sorted(conversion.model)
    dense = densify(conversion.model)
    assert OP_TYPE not in op_types(dense)
    assert ort_sparse.verify(model, dense).passed


def test_onnx_runtime_judges_sparse_models_too() -> None:
    converted = ort_sparse.convert(small_model(), layers="all")
    converted.graph.output[0].CopyFrom(onnx.ValueInfoProto(name="y"))
    assert not conforms(converted)
    assert op_types(densify(converted)) == ["Conv", "Relu"]


def cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "y"


def dangling(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "nowhere"


def no_such_operator(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "Rlu"


def output_that_nothing_gives(model: onnx.ModelProto) -> None:
    model.graph.node[1].output[0] = "z"


def two_values_of_one_name(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Relu", ["x"], ["h"]))


def too_few_bytes(model: onnx.ModelProto) -> None:
    del model.graph.output[0]
    model.graph.output.append(info("y", None))
    model.graph.initializer[0].raw_data = b"1234"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cycle, "the graph is not acyclic"),
        (dangling, "Node input 'nowhere' is not a graph input"),
        (no_such_operator, "No Op registered for Rlu"),
        (output_that_nothing_gives, r"Graph output \(y\) does not exist"),
        (two_values_of_one_name, "'h' has been used|Duplicate definition of name .h."),
        (too_few_bytes, r"Initializer 'w': raw_data size \(4 bytes\) does not match"),
    ],
)
def test_damaged_models_are_refused_with_the_rule(damage, reason) -> None:
    model = small_model()
    model.doc_string = model.graph.doc_string = model.graph.name = "Food classifier"
    damage(model)
    with pytest.raises(InvalidModelError, match="model: is no valid ONNX model: ") as e:
        ort_sparse.convert(model)
    assert re.search(reason, str(e.value))
    assert not re.search(r"ONNXRuntimeError|\.cc", str(e.value))
    assert "Food" not in str(e.value)
    assert "\n" not in str(e.value)


def food_classifier() -> onnx.ModelProto:
    """Return what Windows' trainers exported: class probabilities as a sequence of maps."""
    zipmap = helper.make_node(
        "ZipMap", ["f"], ["loss"], domain="ai.onnx.ml", classlabels_int64s=list(range(576))
    )
    model = small_model(
        helper.make_node("Flatten", ["h"], ["f"]), zipmap, opsets={"": 8, "ai.onnx.ml": 1}
    )
    output = model.graph.output[0]
    output.Clear()
    output.name, output.doc_string = "loss", "Food classifier"
    map_type = output.type.sequence_type.elem_type.map_type
    map_type.key_type = TensorProto.INT64
    map_type.value_type.tensor_type.elem_type = TensorProto.FLOAT
    return model


def test_a_type_that_graphs_here_cannot_hold_is_named() -> None:
    model = food_classifier()
    onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with pytest.raises(UnsupportedModelError, match=r"output 'loss': must be a tensor or .* map"):
        ort_sparse.convert(model)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"opsets": {"": 17, "foo": 1}}, r"foo:Bar\(-1\) is not a registered function/op"),
        ({"ir_version": 100}, "Unsupported model IR version: 100"),
    ],
)
def test_sound_models_that_onnx_runtime_does_not_know(change, reason) -> None:
    """They are no damaged ones."""
    nodes = [helper.make_node("Bar", ["h"], ["y"], domain="foo")] if "opsets" in change else []
    model = small_model(*nodes, **change)
    model.graph.node.reverse()
    with pytest.raises(UnsupportedModelError, match=reason):
        ort_sparse.convert(model)


def test_a_model_that_kills_onnx_runtime(monkeypatch) -> None:
    """The process of the judge may take no more memory than a multiple of the model."""
    monkeypatch.setattr("ort_sparse.converters.isolation.MEMORY_MINIMUM", 2**20)
    monkeypatch.setattr("ort_sparse.converters.isolation.MEMORY_PER_BYTE", 0)
    model = unsorted()
    model.graph.initializer.append(tensor(np.ones(2**23), "large"))
    model.graph.node.append(helper.make_node("Neg", ["large"], ["z"]))
    model.graph.output.append(info("z", (2**23,)))
    with pytest.raises(UnsupportedModelError, match=r"bad_alloc|allocate|did not survive"):
        ort_sparse.convert(model)
