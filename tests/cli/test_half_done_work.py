"""Commands that are killed, starved or misdirected: no damaged output, no leftovers, an error."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

COMMAND = [sys.executable, "-m", "ort_sparse"]
OLD = b"an older file"


@pytest.fixture
def model(tmp_path):
    """Path of an ONNX model of about 1 MB, mostly zeros, in a folder of its own."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((512, 512, 1, 1)) * (rng.random((512, 512, 1, 1)) < 0.1)
    shape = ["n", 512, 4, 4]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    opsets = [helper.make_opsetid("", 17)]
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Folder of the output, where an older file lies; and of the temporary files."""
    (tmp_path / "out").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "out" / "out.onnx").write_bytes(OLD)
    return tmp_path / "out"


def convert(model, folder, output="out.onnx", **options):
    """Start a conversion; its temporary files go into the folder beside the output's."""
    return subprocess.Popen(
        [*COMMAND, "convert", str(model), "-o", str(folder / output), "--layers", "all", "--force"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder.parent / "tmp")},
        **options,
    )


def refused(process):
    """Wait for the end of a command that must fail; return the last line it printed."""
    _, errors = process.communicate()
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    return errors.strip().splitlines()[-1]


def is_whole(path):
    onnx.checker.check_model(onnx.load(path))


def assert_untouched(folder):
    assert os.listdir(folder) == ["out.onnx"]
    assert (folder / "out.onnx").read_bytes() == OLD
    # onnxruntime puts a file .ses there.
    temporary = os.listdir(folder.parent / "tmp")
    assert not [name for name in temporary if name.startswith("ort_sparse_")]


SLOW = """
import os, sys, time
from ort_sparse import cli, files
replace = os.replace
def slow_replace(*arguments):
    print("replacing", flush=True)
    time.sleep(600)
files.os.replace = slow_replace
sys.argv = ["ort-sparse", *sys.argv[1:]]
cli.main()
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ended_in_the_middle_of_writing(model, folder, end):
    target = folder / "out.onnx"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "convert", model, "-o", target, "--force", "--no-verify"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder.parent / "tmp")},
    )
    assert process.stdout.readline() == "replacing\n"
    assert len(os.listdir(folder)) == 2
    process.send_signal(end)
    _, errors = process.communicate()
    assert process.returncode not in (0, -end)
    assert "Traceback" not in errors
    assert_untouched(folder)


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_time(model, folder, seed):
    """The output is the older file or the whole new one; what SIGKILL leaves has another name."""
    process = convert(model, folder)
    time.sleep(np.random.default_rng(seed).uniform(0.2, 2.5))
    process.kill()
    process.communicate()
    if (folder / "out.onnx").read_bytes() != OLD:
        is_whole(folder / "out.onnx")
    for name in os.listdir(folder):
        assert name == "out.onnx" or name.startswith(".ort_sparse_")


def limit_files(size):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_no_room_for_the_output(model, folder):
    process = convert(model, folder, preexec_fn=limit_files(10_000))
    assert "out.onnx: cannot be written: File too large" in refused(process)
    assert_untouched(folder)


def test_full_disk(model, folder):
    (folder / "out.onnx").unlink()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        (folder / "out.onnx").write_bytes(OLD)
        process = convert(model, folder)
        assert "out.onnx: cannot be written: No space left on device" in refused(process)
        assert_untouched(folder)
    finally:
        subprocess.run(["umount", folder], check=True)


def test_no_room_for_temporary_files(shared_models, folder):
    pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")
    process = convert(
        shared_models / "face_detection_full_range_sparse.tflite",
        folder,
        preexec_fn=limit_files(10_000),
    )
    assert "temporary files: cannot be used: File too large" in refused(process)
    assert_untouched(folder)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("nowhere/out.onnx", "cannot be written: No such file or directory"),
        ("/sys/out.onnx", "cannot be written: "),
        ("folder", "cannot be written: is no ordinary file"),
        ("fifo", "cannot be written: is no ordinary file"),
        ("/dev/null", "cannot be written: is no ordinary file"),
        ("loop", "cannot be written: is no ordinary file"),
        ("../in/model.onnx", "must be another file than the model"),
        ("link_to_model", "must be another file than the model"),
        ("x" * 300, "File name too long"),
    ],
)
def test_outputs_that_are_refused(model, folder, output, message):
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to("loop")
    (folder / "link_to_model").symlink_to(model)
    before = sorted(os.listdir(folder)), model.read_bytes()
    assert message in refused(convert(model, folder, output))
    assert (sorted(os.listdir(folder)), model.read_bytes()) == before
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_symbolic_link_stays_one(model, folder):
    (folder / "link.onnx").symlink_to("out.onnx")
    process = convert(model, folder, "link.onnx")
    process.communicate()
    assert process.returncode == 0
    assert os.readlink(folder / "link.onnx") == "out.onnx"
    is_whole(folder / "out.onnx")


def test_output_over_the_input_of_densify(model):
    before = model.read_bytes()
    command = [*COMMAND, "densify", model, "-o", model]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert "must be another file than the model" in refused(process)
    assert model.read_bytes() == before


def test_a_file_that_shrinks_while_it_is_read(model, folder):
    """The file is read once; what it is afterwards does not matter."""
    process = convert(model, folder)
    while process.stderr.readline() != "rewriting sparse layers ...\n":
        pass
    os.truncate(model, 10)
    process.communicate()
    assert process.returncode == 0
    is_whole(folder / "out.onnx")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(model, folder, closed):
    command = f'"$@" {closed}'
    arguments = [*COMMAND, "convert", model, "-o", folder / "new.onnx", "--layers", "all"]
    done = subprocess.run(
        ["sh", "-c", command, "sh", *map(str, arguments)], check=False, capture_output=True
    )
    assert done.returncode == 0
    is_whole(folder / "new.onnx")


PRINTS = [["zoo", "list"], ["zoo", "list", "--json"], ["--version"]]


def buffered():
    """Return the environment of a bare shell: Python writes to stdout as late as it may."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("arguments", PRINTS)
def test_output_that_nobody_reads(arguments):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=write, stderr=subprocess.PIPE, text=True, env=buffered()
    )
    os.close(write)
    assert refused(process) == "error: the output: Broken pipe"


@pytest.mark.parametrize("arguments", [*PRINTS, ["--help"]])
def test_output_that_has_no_room(arguments):
    with open("/dev/full", "w") as full:
        process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, env=buffered()
        )
    assert refused(process) == "error: the output: No space left on device"


def test_help_that_nobody_reads():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "--help"], stdout=write, stderr=subprocess.PIPE, check=False, env=buffered()
    )
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == b""


def test_what_differs_is_printed_before_the_error(model, folder):
    """What was printed before a command fails reaches its reader."""
    other = onnx.load(model)
    scaled = numpy_helper.to_array(other.graph.initializer[0]) * np.float32(1.01)
    other.graph.initializer[0].CopyFrom(numpy_helper.from_array(scaled, "w"))
    onnx.save(other, folder / "other.onnx")
    done = subprocess.run(
        [*COMMAND, "verify", model, folder / "other.onnx"],
        capture_output=True,
        text=True,
        check=False,
        env=buffered(),
    )
    assert done.returncode == 1
    assert "DIFFERENT" in done.stdout
