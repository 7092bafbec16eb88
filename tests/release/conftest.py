"""What `make wheels` left in dist/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

import ort_sparse

PROJECT = Path(__file__).parents[2]
DIST = PROJECT / "dist"
TOOLS = PROJECT / "build" / "release-tools" / "bin"
MACHINES = ("x86_64", "aarch64")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.release)


def _only(pattern: str) -> Path:
    found = sorted(DIST.glob(pattern))
    assert len(found) == 1, f"dist/{pattern} must be one file, made by make wheels: {found}"
    return found[0]


@pytest.fixture(scope="session")
def wheels() -> dict[str, Path]:
    """Return the wheel of each machine."""
    return {machine: _only(f"ort_sparse-*{machine}.whl") for machine in MACHINES}


@pytest.fixture(scope="session")
def libraries() -> dict[str, Path]:
    """Return the archive of the library of each machine."""
    version = ort_sparse.__version__
    return {
        machine: _only(f"libort_sparse-{version}-linux-{machine}.tar.gz") for machine in MACHINES
    }


@pytest.fixture(scope="session")
def source_distribution() -> Path:
    return _only(f"ort_sparse-{ort_sparse.__version__}.tar.gz")


@pytest.fixture(scope="session")
def run_tool():
    """Run a program of the release's tools, which must succeed; return what it printed."""

    def run(*command: object, stdin: str | None = None) -> str:
        program, *arguments = map(str, command)
        done = subprocess.run(
            [TOOLS / program, *arguments],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            input=stdin,
        )
        assert done.returncode == 0, f"{program} is not content: {done.stdout}"
        sys.stdout.write(done.stdout)  # shown by -rA
        return done.stdout

    return run


@pytest.fixture(scope="session")
def runtime(tmp_path_factory) -> Path:
    """ONNX Runtime's library in the layout of a release for C, without its header."""
    folder = tmp_path_factory.mktemp("onnxruntime") / "lib"
    folder.mkdir()
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / name).symlink_to(library)
    return folder.parent
