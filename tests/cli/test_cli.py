"""Every command as a user types it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ort_sparse import __version__
from ort_sparse.op import OP_TYPE


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "ort_sparse", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        **options,
    )


def succeed(*arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fail(*arguments, **options):
    done = run(*arguments, **options)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    return last


def sparse_nodes(path):
    return [node for node in onnx.load(path).graph.node if node.op_type == OP_TYPE]


def test_version():
    assert succeed("--version").strip() == __version__


def test_convert_verify_densify(dense, tmp_path):
    printed = succeed("convert", dense, "--layers", "all")
    converted = tmp_path / "dense.sparse.onnx"
    assert "1 of 2 layers are SparseConv1x1" in printed
    assert len(sparse_nodes(converted)) == 1
    assert "equal" in succeed("verify", dense, converted)
    back = tmp_path / "back.onnx"
    succeed("densify", converted, "-o", back)
    assert not sparse_nodes(back)
    assert "equal" in succeed("verify", dense, back)
    assert sorted(os.listdir(tmp_path)) == ["back.onnx", "dense.onnx", "dense.sparse.onnx"]


def test_external_data(dense, tmp_path):
    out, back = tmp_path / "out.onnx", tmp_path / "back.onnx"
    printed = json.loads(
        succeed("convert", dense, "-o", out, "--layers", "all", "--external-data", "--json")
    )
    files = [out, tmp_path / "out.onnx.data"]
    assert printed["bytes_after"] == sum(file.stat().st_size for file in files)
    succeed("densify", out, "-o", back, "--external-data")
    assert "equal" in succeed("verify", out, back)
    assert (tmp_path / "back.onnx.data").stat().st_size >= 64 * 64 * 4


def test_convert_json(dense, tmp_path):
    printed = json.loads(
        succeed("convert", dense, "-o", tmp_path / "out.onnx", "--layers", "all", "--json")
    )
    assert printed["sparse_layers"] == 1
    assert printed["bytes_after"] == (tmp_path / "out.onnx").stat().st_size
    assert printed["comparison"]["passed"]
    assert [layer["replaced"] for layer in printed["layers"]] == [True, False]


def test_convert_options(dense, tmp_path):
    out = tmp_path / "out.onnx"
    succeed("convert", dense, "-o", out, "--layers", "all", "--block-rows", "2", "--no-verify")
    (node,) = sparse_nodes(out)
    assert [a.i for a in node.attribute if a.name == "block_rows"] == [2]
    done = run("convert", dense, "-o", out, "--min-sparsity", "0.99")
    assert done.returncode == 0
    assert "nothing became sparse" in done.stderr
    assert not sparse_nodes(out)


def test_inspect(dense):
    assert "first" in succeed("inspect", dense)
    first, second = json.loads(succeed("inspect", dense, "--json"))["layers"]
    assert first["shape"] == [64, 64]
    assert first["zeros"] == pytest.approx(0.9, abs=0.02)
    assert first["macs_before"] == 64 * 64 * 28 * 28
    assert first["bytes_after"] < first["bytes_before"]
    assert not second["replaced"]


def test_inspect_tells_where_the_bytes_are(dense):
    size = json.loads(succeed("inspect", dense, "--json"))["size"]
    assert size["bytes"] == dense.stat().st_size
    assert [item["name"] for item in size["largest"]] == ["a", "b"]
    assert "dense Conv" in succeed("inspect", dense)


def test_sparse_layers_of_another_kind_are_reported(dense, tmp_path):
    model = onnx.load(dense)
    weights = np.zeros((8, 64, 3, 3), np.float32)
    weights[0] = 1
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(weights, "b"))
    for dim in model.graph.output[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = 26
    onnx.save(model, dense)
    (layer,) = json.loads(succeed("inspect", dense, "--json"))["other_layers"]
    assert (layer["name"], layer["shape"]) == ("second", [8, 64, 3, 3])
    assert "kernel 3x3" in succeed("inspect", dense)
    done = run("convert", dense, "-o", tmp_path / "out.onnx", "--layers", "all")
    assert "though they have as many zeros, or nobody knows how many: 1" in done.stderr
    assert "  1: kernel 3x3, but only 1x1 has a sparse form\n" in done.stderr


def test_verify_tells_a_difference(dense, tmp_path):
    model = onnx.load(dense)
    values = numpy_helper.to_array(model.graph.initializer[1]) * np.float32(1.01)
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(values, "b"))
    onnx.save(model, tmp_path / "other.onnx")
    other = tmp_path / "other.onnx"
    assert "1 of 1 outputs differ" in fail("verify", dense, other, "--regions", "off")
    done = run("verify", dense, other, "--json")
    assert done.returncode == 1
    assert not json.loads(done.stdout)["passed"]


def test_convert_a_real_file(shared_models, tmp_path):
    out = tmp_path / "face.onnx"
    source = shared_models / "face_detection_full_range_sparse.tflite"
    assert "46 of 48 layers" in succeed("convert", source, "-o", out, "--layers", "all")
    assert "equal" in succeed("verify", source, out)


def no_tflite(path):
    path.write_bytes(b"no model at all, but long enough to hold an identifier")


def cut_short(path, shared_models):
    data = (shared_models / "pose_detection.tflite").read_bytes()
    path.write_bytes(data[: len(data) // 2])


def test_no_tflite_file(tmp_path):
    no_tflite(tmp_path / "bad.tflite")
    assert "bad.tflite: " in fail("convert", tmp_path / "bad.tflite")
    assert os.listdir(tmp_path) == ["bad.tflite"]


def test_file_cut_short(tmp_path, shared_models):
    cut_short(tmp_path / "bad.tflite", shared_models)
    assert "bad.tflite: " in fail("convert", tmp_path / "bad.tflite")
    assert os.listdir(tmp_path) == ["bad.tflite"]


def test_unknown_operator(tmp_path, shared_models):
    message = fail(
        "convert", shared_models / "selfie_segmentation.tflite", "-o", tmp_path / "out.onnx"
    )
    assert "Convolution2DTransposeBias" in message
    assert os.listdir(tmp_path) == []


def test_missing_file(tmp_path):
    assert "nowhere.onnx: cannot be read" in fail("convert", tmp_path / "nowhere.onnx")
    (tmp_path / "out.onnx").write_bytes(b"older")
    fail("convert", tmp_path / "nowhere.onnx", "-o", tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").read_bytes() == b"older"


def test_unwritable_output(dense, tmp_path):
    target = tmp_path / "no" / "such" / "folder.onnx"
    assert "cannot be written" in fail("convert", dense, "-o", target)


def test_output_over_the_input(dense):
    before = dense.read_bytes()
    assert "must be another file" in fail("convert", dense, "-o", dense)
    assert dense.read_bytes() == before


def open_weights(source, target, *names):
    """Save a copy of a model with these initializers as inputs."""
    model = onnx.load(source)
    for tensor in list(model.graph.initializer):
        if tensor.name in names:
            model.graph.initializer.remove(tensor)
            shape = list(tensor.dims)
            model.graph.input.append(
                helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, shape)
            )
    onnx.save(model, target)


def test_weights_that_are_not_constant(dense, tmp_path):
    open_weights(dense, tmp_path / "open.onnx", "a", "b")
    out = tmp_path / "out.onnx"
    done = run("convert", tmp_path / "open.onnx", "-o", out)
    assert done.returncode == 0
    assert "Conv 'first': its weights 'a' are an input of the model" in done.stderr
    assert out.read_bytes() == (tmp_path / "open.onnx").read_bytes()
    layers = json.loads(succeed("inspect", tmp_path / "open.onnx", "--json"))["other_layers"]
    assert [(layer["name"], layer["zeros"]) for layer in layers] == [
        ("first", None),
        ("second", None),
    ]
    assert "'a' are an input" in " ".join(succeed("inspect", tmp_path / "open.onnx").split())


def test_some_weights_that_are_not_constant(dense, tmp_path):
    open_weights(dense, tmp_path / "open.onnx", "b")
    assert "1 of 1 layers" in succeed("convert", tmp_path / "open.onnx", "--layers", "all")


def test_weights_that_are_inputs_too(dense, tmp_path):
    model = onnx.load(dense)
    for tensor in model.graph.initializer:
        model.graph.input.append(
            helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims)
        )
    model.ir_version = 3
    path, out = tmp_path / "old.onnx", tmp_path / "out.onnx"
    onnx.save(model, path)
    done = run("convert", path, "-o", out, "--layers", "all")
    assert done.returncode == 0, done.stderr
    assert "inputs with a default that are constants now: 2" in done.stderr
    assert [value.name for value in onnx.load(out).graph.input] == ["x"]
    printed = json.loads(succeed("convert", path, "-o", out, "--layers", "all", "--json"))
    assert printed["constant_inputs"] == ["a", "b"]
    done = run("convert", path, "-o", out, "--keep-weight-inputs")
    assert "its weights 'a' are an input of the model, with a default" in done.stderr
    assert onnx.load(out) == model


def test_option_for_tflite_only(dense):
    assert "but this is an ONNX model" in fail("convert", dense, "--opset", "15")


def test_missing_extra(tmp_path, shared_models):
    """TensorFlow's absence is played by a module of that name that cannot be imported."""
    (tmp_path / "tf2onnx.py").write_text("raise ImportError('not here')")
    message = fail(
        "convert",
        shared_models / "pose_detection.tflite",
        "-o",
        tmp_path / "out.onnx",
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert 'pip install "ort_sparse[tflite]"' in message
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert", "m", "--min-sparsity", "2"], "--min-sparsity"),
        (["convert", "m", "--min-sparsity", "nan"], "--min-sparsity"),
        (["convert", "m", "--block-rows", "3"], "--block-rows"),
        (["convert", "m", "--layers", "some"], "--layers"),
        (["convert", "m", "--opset", "x"], "--opset"),
        (["verify", "a", "b", "--tolerance", "-1"], "--tolerance"),
        (["verify", "a", "b", "--batch", "0"], "--batch"),
        (["verify", "a", "b", "--seed", "-1"], "--seed"),
        (["bench", "m", "--threads", "0"], "--threads"),
        (["zoo", "build", "n", "-o", "x", "--seed", "-1"], "--seed"),
        (["convert"], "Missing argument 'MODEL'"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_arguments_out_of_range(arguments, message, tmp_path):
    done = run(*arguments, cwd=tmp_path, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert message in done.stderr
    assert os.listdir(tmp_path) == []


def test_arguments_that_contradict(dense):
    message = fail("convert", dense, "--layers", "all", "--tune")
    assert "layers: must be 'auto' to be tuned, but is 'all'" in message


def test_zoo_list():
    assert "mbv1_100_90_12b4_684" in succeed("zoo", "list")
    listed = json.loads(succeed("zoo", "list", "--json"))
    assert sum(network["published"] is not None for network in listed) == 11


def test_zoo_build(tmp_path):
    out = tmp_path / "net.tflite"
    succeed("zoo", "build", "mobilenet_v1_025_128", "-o", out, "--resolution", "32")
    assert out.read_bytes()[4:8] == b"TFL3"


def test_unknown_network(tmp_path):
    assert "mbv1" in fail("zoo", "build", "mbv1", "-o", tmp_path / "x.tflite")


def test_demo():
    done = run("demo", "--resolution", "32", "--runs", "3", "--json")
    assert done.returncode == 0, done.stderr
    # Nothing but what is being done: TensorFlow's log is not for people who try this.
    assert [line for line in done.stderr.splitlines() if not line.endswith(" ...")] == []
    printed = json.loads(done.stdout)
    assert printed["comparison"]["passed"]
    assert 0 < printed["sparse_layers"] <= 13
    assert set(printed["latency_ms"]) == {"dense", "sparse", "regions"}


@pytest.fixture
def broken(tmp_path):
    """Return the environment of a machine whose TensorFlow prints something and dies."""
    (tmp_path / "tensorflow.py").write_text(
        "import os, sys\nprint('cannot find the GPU', file=sys.stderr)\nos.abort()\n"
    )
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_what_tensorflow_printed_is_shown_if_it_fails(broken, tmp_path):
    done = run("demo", env=broken)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-3:] == [
        "TensorFlow printed:",
        "cannot find the GPU",
        "error: TensorFlow: its process ended with SIGABRT",
    ]


def test_what_a_process_of_a_conversion_printed_is_shown_too(broken, shared_models, tmp_path):
    model = shared_models / "face_detection_full_range_sparse.tflite"
    done = run("convert", model, "-o", tmp_path / "out.onnx", env=broken)
    assert done.returncode == 1
    assert "tf2onnx printed:\ncannot find the GPU\nerror: " in done.stderr
    assert done.stderr.splitlines()[-1].endswith("tf2onnx: its process ended with SIGABRT")
