"""Fixtures of the ARM64 stage: everything is built once and runs under qemu-user."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import onnxruntime
import pytest
from arm64_toolchain import COMPILER, PROJECT, make_emulated_root, missing_tools


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "arm64: needs a cross compiler and qemu-user")


@pytest.fixture(scope="session")
def toolchain() -> None:
    missing = ", ".join(missing_tools())
    if missing:
        reason = f"{missing}: not installed; tests/arm64/install.sh does it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def arm64_root(toolchain, tmp_path_factory) -> Path:
    return make_emulated_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="session")
def arm64_library(toolchain, tmp_path_factory) -> Path:
    """libort_sparse as setup.py builds it, but by the cross compiler."""
    folder = tmp_path_factory.mktemp("library")
    # Debian's pyconfig.h includes the one of the architecture that is compiled for; the host's
    # serves, as both are LP64.
    multiarch = sysconfig.get_config_var("MULTIARCH")
    (folder / "aarch64-linux-gnu").symlink_to(Path("/usr/include", multiarch))
    cross = {"CC": COMPILER, "LDSHARED": f"{COMPILER} -shared", "CPATH": os.fspath(folder)}
    # Through a source distribution, so that the objects of the host's build stay as they are. The
    # wheel claims to be for the host, but only the library in it is used.
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", folder, PROJECT],
        check=True,
        capture_output=True,
        env=os.environ | cross,
    )
    (wheel,) = folder.glob("*.whl")
    return Path(zipfile.ZipFile(wheel).extract("ort_sparse/lib/libort_sparse.so", folder))


@pytest.fixture(scope="session")
def arm64_runtime(toolchain, tmp_path_factory) -> Path:
    """Folder with libonnxruntime.so.1 of the ARM64 wheel, in the version installed here."""
    folder = tmp_path_factory.mktemp("runtime")
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in (17, 27, 28)]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--only-binary=:all:", *platforms, "--dest", folder),
            f"onnxruntime=={onnxruntime.__version__}",
        ],
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    library = f"onnxruntime/capi/libonnxruntime.so.{onnxruntime.__version__}"
    extracted = zipfile.ZipFile(wheel).extract(library, folder)
    (folder / "libonnxruntime.so.1").symlink_to(extracted)
    return folder
