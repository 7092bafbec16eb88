"""Fixtures that every room of the tests shares, which tests are slow, and what CI forbids."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

TESTS = Path(__file__).resolve().parent
PROJECT = TESTS.parent
IN_CI = os.environ.get("CI") == "true"

SLOW = {
    "arm64": "a cross compiler, an emulator, a wheel for another machine",
    "browser": "a real browser",
    "examples/test_prune_and_deploy_example.py": "an environment with PyTorch, training",
    "examples/test_ray_example.py": "an environment with Ray, a cluster of four nodes",
    "mutants": "hundreds of damaged models",
    "native": "builds with sanitizers",
    "packaging/test_compatibility.py": "environments with other versions of packages",
    "packaging/test_distributions.py": "a wheel, an environment to install it in",
    "packaging/test_runtimes.py": "environments with other builds of ONNX Runtime",
    "provider/test_provider_versions.py": "environments with other versions of ONNX Runtime",
    "regions/test_many_region_graphs.py": "a thousand graphs",
    "regions/test_region_files.py": "converting the real files",
    "valgrind": "a program that valgrind makes fifty times slower",
    "zoo/test_conversions.py": "building and converting each network of the zoo",
    "zoo/test_networks.py": "building a network of each family with TensorFlow",
}
"""Rooms and files whose tests `make test` leaves to `make test-slow`, with what takes the time."""

ALONE = {
    "arm64": "setup.py",
    "packaging": "setup.py",
    "native": "build/address",
    "provider/test_provider_versions.py": "build/runtimes",
}
"""Rooms and files that one process at a time runs: what they build in the project's own folder."""

# Programs that tests start and interrupt would ignore SIGINT if this process did, as it does where
# it was started in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _is_in(item, SLOW):
            item.add_marker(pytest.mark.slow)
        for place, built in ALONE.items():
            if _is_in(item, [place]):
                item.add_marker(pytest.mark.xdist_group(built))


def _is_in(item: pytest.Item, places: Iterable[str]) -> bool:
    return any(item.path.is_relative_to(TESTS / place) for place in places)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _without_skips(report)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _without_skips(report)


def _without_skips(report: Any) -> Any:
    """Make a failure of a skipped test or file in CI, where everything must run."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI must skip nothing, but {report.nodeid} says: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """Folder of the real TFLite files, which lies beside the project and is not part of it."""
    folder = PROJECT.parent / "shared" / "models"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the files that tests read; each lies beside the script that made it."""
    return PROJECT / "tests" / "data"


@pytest.fixture(scope="session")
def distributions(tmp_path_factory) -> Path:
    """Folder with the source distribution, and the wheel that is built from that."""
    folder = tmp_path_factory.mktemp("dist")
    # From a copy, as building writes beside the sources, where another process may build, too.
    sources = tmp_path_factory.mktemp("sources") / "ort_sparse"
    left_out = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "*.so", "__pycache__")
    shutil.copytree(PROJECT, sources, ignore=left_out)
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", folder, sources],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="session")
def wheel(distributions) -> Path:
    (path,) = distributions.glob("*.whl")
    return path


@pytest.fixture
def dense(tmp_path):
    """Path of an ONNX model: Conv of 10 % density, Relu, Conv without zeros."""
    rng = np.random.default_rng(0)
    sparse = rng.standard_normal((64, 64, 1, 1)) * (rng.random((64, 64, 1, 1)) < 0.1)
    full = rng.standard_normal((8, 64, 1, 1))
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "a"], ["h"], name="first"),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Conv", ["r", "b"], ["y"], name="second"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8, 28, 28])],
        [
            numpy_helper.from_array(sparse.astype(np.float32), "a"),
            numpy_helper.from_array(full.astype(np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "dense.onnx"
    onnx.save(model, path)
    return path
