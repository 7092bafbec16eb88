"""Files that are there already: only what ort_sparse wrote is overwritten unasked."""

from __future__ import annotations

import os

import onnx
import pytest
from typer.testing import CliRunner

from ort_sparse.cli import app
from ort_sparse.errors import InvalidArgumentError

RULE = "must not be overwritten without --force, because ort_sparse did not write it"


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None:
        raise done.exception
    return done


def convert(model, output, *options):
    return run("convert", model, "-o", output, "--no-verify", *options)


def is_marked(path):
    return "ort_sparse.version" in {entry.key for entry in onnx.load(path).metadata_props}


def not_a_model(path, dense):
    path.write_bytes(b"my notes")


def empty(path, dense):
    path.touch()


def another_model(path, dense):
    model = onnx.load(dense)
    model.graph.node[0].name = "another"
    onnx.save(model, path)


@pytest.mark.parametrize("write", [not_a_model, empty, another_model])
def test_files_of_others_stay(dense, tmp_path, write):
    target = tmp_path / "target.onnx"
    write(target, dense)
    before = target.read_bytes()
    with pytest.raises(InvalidArgumentError, match=f"target.onnx: is there already, and {RULE}"):
        convert(dense, target)
    with pytest.raises(InvalidArgumentError, match=RULE):
        run("densify", dense, "-o", target)
    with pytest.raises(InvalidArgumentError, match=RULE):
        run("zoo", "build", "mobilenet_v2", "-o", target)
    with pytest.raises(InvalidArgumentError, match=RULE):
        run("zoo", "fetch", "enb0_80_none_751", "-o", target)
    assert target.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["dense.onnx", "target.onnx"]
    convert(dense, target, "--force", "--layers", "all")
    assert is_marked(target)


@pytest.mark.parametrize("command", [("inspect",), ("bench", "--runs", "1")])
def test_pages_of_others_stay(dense, tmp_path, command):
    page = tmp_path / "page.html"
    page.write_bytes(b"my page")
    with pytest.raises(InvalidArgumentError, match=f"page.html: is there already, and {RULE}"):
        run(*command, dense, "--html", page)
    assert page.read_bytes() == b"my page"
    run(*command, dense, "--html", page, "--force")
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")
    assert sorted(os.listdir(tmp_path)) == ["dense.onnx", "page.html"]


def test_figures_of_others_stay(dense, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "times.png").write_bytes(b"a picture")
    with pytest.raises(InvalidArgumentError, match=RULE):
        run("bench", dense, "--plot", tmp_path / "times.png")


@pytest.mark.parametrize("options", [["--layers", "all"], ["--min-sparsity", "0.99"]])
def test_what_we_wrote_is_written_again(dense, tmp_path, options):
    """Also where no layer became sparse."""
    target = tmp_path / "target.onnx"
    convert(dense, target, *options)
    first = target.read_bytes()
    convert(dense, target, *options)
    assert target.read_bytes() == first


def test_a_densified_model_may_be_written_again(dense, tmp_path):
    convert(dense, tmp_path / "sparse.onnx", "--layers", "all")
    for _ in range(2):
        run("densify", tmp_path / "sparse.onnx", "-o", tmp_path / "back.onnx")


def test_the_default_output_is_no_exception(dense, tmp_path):
    (tmp_path / "dense.sparse.onnx").write_bytes(b"my notes")
    with pytest.raises(InvalidArgumentError, match=RULE):
        run("convert", dense)


def test_external_weights_of_others_stay(dense, tmp_path):
    """A file of weights belongs to the model beside it."""
    target, data = tmp_path / "target.onnx", tmp_path / "target.onnx.data"
    data.write_bytes(b"my notes")
    with pytest.raises(InvalidArgumentError, match=f"onnx.data: is there already, and {RULE}"):
        convert(dense, target, "--external-data")
    assert not target.exists()
    options = ["--external-data", "--layers", "all"]
    convert(dense, target, *options, "--force")
    convert(dense, target, *options)
    assert data.read_bytes() != b"my notes"


def test_weights_beside_a_model_that_does_not_have_them_stay(dense, tmp_path):
    target, data = tmp_path / "target.onnx", tmp_path / "target.onnx.data"
    convert(dense, target, "--layers", "all")
    data.write_bytes(b"my notes")
    convert(dense, target, "--layers", "all")
    with pytest.raises(InvalidArgumentError, match=f"onnx.data: is there already, and {RULE}"):
        convert(dense, target, "--external-data")
    assert data.read_bytes() == b"my notes"


def test_a_model_that_stays_as_it_was_gets_no_mark(dense, tmp_path):
    convert(dense, tmp_path / "out.onnx", "--min-sparsity", "0.99")
    assert onnx.load(tmp_path / "out.onnx") == onnx.load(dense)


def test_a_tflite_model_whose_layers_stay_dense_is_marked(shared_models, tmp_path):
    pytest.importorskip("tf2onnx", reason="needs the extra tflite")
    model = shared_models / "face_detection_full_range_sparse.tflite"
    for _ in range(2):
        convert(model, tmp_path / "out.onnx", "--min-sparsity", "0.99")
    assert is_marked(tmp_path / "out.onnx")
