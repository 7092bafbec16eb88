"""examples/ray in an environment of its own: the commands of its README, small, and its cases."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "ray"
CASES = Path(__file__).with_name("ray_cases.py")
TRITON_CASES = Path(__file__).with_name("triton_cases.py")

RAY = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""Ray's processes yield to all others otherwise, and starve beside other tests."""

SECONDS = 1200
"""After which a command hangs."""


def test_the_example(environment, bare_environ, tmp_path):
    programs = environment("ray", others=("pytest>=8", "protobuf", "tritonclient"))
    folder = tmp_path / "ray"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".venv"))

    def run(program: str, *arguments: str | Path, status: int = 0) -> str:
        done = subprocess.run(
            [programs / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
            env=bare_environ | RAY,
            timeout=SECONDS,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stderr if status else done.stdout

    run("python", "sample.py", "sample", "--images", "24")
    (folder / "sample" / "images" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    run("ort-sparse", "convert", "sample/model.onnx")
    classify = ("classify.py", "sample/model.sparse.onnx", "sample/images", "results")
    printed = run("python", *classify)
    assert printed.startswith("results: 25 images, each once, 1 of which cannot be read; ")
    complaint = run("python", *classify, status=1)
    assert complaint == "error: results: must be empty or absent, but holds files\n"
    run("python", "triton_repository.py", "sample/model.sparse.onnx", "repository")
    measured = run(
        "python",
        *("measure.py", "sample/model.onnx", "sample/model.sparse.onnx", "sample/images"),
        *("--rounds", "1", "--batch-sizes", "4"),
    )
    rows = [line.split(" | ") for line in measured.splitlines()[2:]]
    assert [row[:4] for row in rows] == [["| dense", "1", "1", "4"], ["| converted", "1", "1", "4"]]
    assert all(float(row[4]) > 0 for row in rows)
    # Without this project's configuration of pytest, which would put its sources before the wheel.
    plain = ("-c", "/dev/null", "--noconftest", "-p", "no:cacheprovider")
    run("python", "-m", "pytest", "-q", "-W", "ignore", *plain, CASES, TRITON_CASES)
