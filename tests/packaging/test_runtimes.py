"""Installing beside the ONNX Runtime that is there, or none: it is used and never replaced."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
from models import sparse_model
from oracle import random_op

VARIANT = "onnxruntime-openvino"
CHECK = Path(__file__).with_name("openvino_check.py")


def install(python, *packages):
    subprocess.run([python, "-m", "pip", "install", "--quiet", *map(str, packages)], check=True)


def runtimes_of(python) -> dict[str, str]:
    """Return what pip knows of onnxruntime and its other builds, with versions."""
    listing = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True
    ).stdout
    packages = {package["name"]: package["version"] for package in json.loads(listing)}
    return {name: packages[name] for name in packages if name.startswith("onnxruntime")}


def digests(python) -> dict[str, str]:
    """Return a digest of each installed file of ONNX Runtime."""
    (folder,) = python.parents[1].glob("lib/python*/site-packages/onnxruntime")
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }


def test_another_build_of_onnxruntime_stays_and_is_used(wheel, environment, tmp_path):
    install(environment, VARIANT)
    before = runtimes_of(environment), digests(environment)
    assert list(before[0]) == [VARIANT]
    install(environment, wheel)
    assert (runtimes_of(environment), digests(environment)) == before
    subprocess.run([environment, "-m", "pip", "check"], check=True)
    done = subprocess.run(
        [environment, CHECK], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "OpenVINOExecutionProvider" in found["available"]
    assert set(found["ran"]) == {"OpenVINOExecutionProvider", "CPUExecutionProvider"}
    assert found["ran"]["CPUExecutionProvider"] == ["SparseConv1x1"]
    assert found["error"] < 2e-5


def test_without_a_runtime_commands_say_what_to_install(wheel, environment, tmp_path):
    install(environment, wheel)
    assert runtimes_of(environment) == {}
    onnx.save(sparse_model(random_op(np.random.default_rng(0)), [1, 24, 4]), tmp_path / "m.onnx")

    def run(*command):
        program = environment.with_name("ort-sparse")
        return subprocess.run(
            [program, *command], check=False, capture_output=True, text=True, cwd=tmp_path
        )

    for refused in (run("verify", "m.onnx", "m.onnx"), run("bench", "m.onnx")):
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        assert 'pip install "ort_sparse[cpu]"' in refused.stderr.splitlines()[-1]
    done = run("inspect", "m.onnx")  # needs none
    assert done.returncode == 0, done.stderr
    install(environment, "ort_sparse[cpu]")  # as the message says
    done = run("verify", "m.onnx", "m.onnx")
    assert done.returncode == 0, done.stderr
