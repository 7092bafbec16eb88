"""examples/ray in an environment of its own: the commands of its README, small, and its cases."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "ray"
CASES = Path(__file__).with_name("ray_cases.py")
TRITON_CASES = Path(__file__).with_name("triton_cases.py")
SECONDS = 900


def test_the_example(environment, bare_environ, tmp_path):
    programs = environment("ray", others=("pytest>=8", "protobuf", "tritonclient"))
    folder = tmp_path / "ray"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".venv"))

    def run(program: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [programs / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
            env=bare_environ,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("python", "sample.py", "sample", "--images", "24")
    run("ort-sparse", "convert", "sample/model.onnx")
    printed = run("python", "classify.py", "sample/model.sparse.onnx", "sample/images", "results")
    assert printed.startswith("results: 24 images, each once; ")
    run("python", "triton_repository.py", "sample/model.sparse.onnx", "repository")
    measured = run(
        "python",
        *("measure.py", "sample/model.onnx", "sample/model.sparse.onnx", "sample/images"),
        *("--rounds", "1", "--batch-sizes", "8"),
    )
    rows = [line.split(" | ") for line in measured.splitlines()[2:]]
    assert [row[:4] for row in rows] == [["| dense", "1", "1", "8"], ["| converted", "1", "1", "8"]]
    assert all(float(row[4]) > 0 for row in rows)
    # Without this project's configuration of pytest, which would put its sources before the wheel.
    plain = ("-c", "/dev/null", "--noconftest", "-p", "no:cacheprovider")
    run("python", "-m", "pytest", "-q", *plain, CASES, TRITON_CASES)
