"""What gets installed: one import package, from the source distribution alone."""

from __future__ import annotations

import subprocess
import zipfile

PAGE = "report/html/templates/page.html"


def test_wheel_holds_one_import_package(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"ort_sparse"}
    for needed in (
        "lib/libort_sparse.so",
        "py.typed",
        "_native.pyi",
        "converters/__init__.py",
        PAGE,
    ):
        assert f"ort_sparse/{needed}" in names
    assert not [name for name in names if name.endswith((".c", ".pyx", ".pxd"))]


def install(python, *packages):
    subprocess.run([python, "-m", "pip", "install", "--quiet", *map(str, packages)], check=True)


def test_wheel_runs_where_it_is_installed(wheel, environment, tmp_path):
    install(environment, f"{wheel}[cpu]")
    code = (
        "import numpy as np, ort_sparse, onnxruntime\n"
        "from ort_sparse.kernels import Layer\n"
        "from ort_sparse.op import SparseConv1x1\n"
        "from ort_sparse import BlockCSR\n"
        "eye = SparseConv1x1(BlockCSR.from_dense(np.eye(3, dtype=np.float32)))\n"
        "x = np.arange(6, dtype=np.float32).reshape(1, 3, 2)\n"
        "assert (Layer(eye)(x) == x).all()\n"
        "ort_sparse.register(onnxruntime.SessionOptions())\n"
        "import ort_sparse.converters.passes\n"
    )
    subprocess.run([environment, "-c", code], check=True, cwd=tmp_path)
    missing = subprocess.run(
        [
            *(environment.with_name("ort-sparse"), "zoo", "build", "mbv1_100_90_12b4_684"),
            *("-o", tmp_path / "x.tflite"),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert missing.returncode == 1
    assert 'pip install "ort_sparse[tflite]"' in missing.stderr
    assert "Traceback" not in missing.stderr
    assert not (tmp_path / "x.tflite").exists()
