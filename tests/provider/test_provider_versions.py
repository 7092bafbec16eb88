"""The execution provider on other versions of ONNX Runtime, some of which cannot have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from provider_cases import EVERYWHERE
from provider_models import converted_network, network
from provider_process import (
    GROUPS,
    ORDERS,
    PROJECT,
    assert_prints_the_output,
    build_host,
    find_runtime,
    run_cases,
    run_host,
)

WITHOUT_PROVIDER = ("1.22.1", "1.23.0")
VERSIONS = (*WITHOUT_PROVIDER, "1.23.1", "1.23.2", "1.24.4", "1.25.1")
RUNTIMES = PROJECT / "build" / "runtimes"


def runtime_of(version: str) -> Path:
    """Return the folder of a version's package, which is installed there once."""
    folder = RUNTIMES / version
    if not folder.is_dir():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
        unfinished = folder.with_name(f"{version}.unfinished")
        command = [*install, "--target", unfinished, f"onnxruntime=={version}"]
        subprocess.run(command, check=True)
        unfinished.rename(folder)
    return folder


def cases() -> list[tuple[str, str]]:
    return [
        (version, group)
        for version in VERSIONS
        for group in (EVERYWHERE if version in WITHOUT_PROVIDER else GROUPS)
    ]


@pytest.mark.parametrize(("version", "group"), cases())
def test_cases(version, group):
    run_cases(group, runtime_of(version))


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Path:
    return build_host(tmp_path_factory.mktemp("host"))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_c_application(version, order, host, tmp_path):
    is_explicit = order in ("explicit", "unregister")
    for name, make_model in (("network", network), ("converted", converted_network)):
        model, report = tmp_path / f"{name}.onnx", tmp_path / f"{name}.json"
        onnx.save(make_model(), model)
        done = run_host(host, order, find_runtime(runtime_of(version)), model, report)
        if is_explicit and version in WITHOUT_PROVIDER:
            assert done.stderr == "error: there is no such device\n"
        elif is_explicit and name == "converted" and version.startswith("1.23."):
            assert "SparseConv1x1(-1) is not a registered function/op" in done.stderr
        else:
            assert_prints_the_output(done, model.read_bytes())
            assert report.exists() == (order != "late" and version not in WITHOUT_PROVIDER)
