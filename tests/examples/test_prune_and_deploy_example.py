"""examples/prune_and_deploy, small, by the commands of its README in an environment of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

EXAMPLE = Path(__file__).parents[2] / "examples" / "prune_and_deploy"


@pytest.fixture
def run(environment, bare_environ, tmp_path):
    programs = environment("prune_and_deploy", local=("torch",))
    folder = tmp_path / "prune_and_deploy"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build", "__pycache__", ".venv"))

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [programs / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
            env=bare_environ,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.folder = folder
    return run


def zeros(model: onnx.ModelProto) -> list[float]:
    """Return the share of zeros of each 1x1 convolution."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    arrays = [
        numpy_helper.to_array(weights[node.input[1]])
        for node in model.graph.node
        if node.op_type == "Conv"
    ]
    return [float(np.mean(array == 0)) for array in arrays if array.shape[2:] == (1, 1)]


def test_train_prune_convert_and_compare(run):
    written = run("python", "train.py", "--output", "build", "--epochs", "3")
    assert re.search(r"^pruned: 90\.0% zeros, accuracy", written, re.MULTILINE)
    models = [onnx.load(run.folder / "build" / f"{name}.onnx") for name in ("dense", "pruned")]
    assert max(zeros(models[0])) < 0.01
    assert zeros(models[1]) == pytest.approx([0.9] * 7, abs=0.01)
    run("ort-sparse", "convert", "build/pruned.onnx", "--layers", "all")
    table = run("python", "compare.py", "build", "--runs", "20").splitlines()
    dense, pruned, _, converted = (line.split(" | ") for line in table[2:6])
    assert dense[0] == "| dense"
    # A tenth is guessing. The test set is the third of the data that train.py did not see.
    assert float(dense[2].rstrip("%")) > 30
    assert pruned[2] == converted[2]
    sizes = [int(row[3].removesuffix(" KB")) for row in (pruned, converted)]
    assert sizes[1] < sizes[0] / 3
    assert "599 test images" in table[-1]
