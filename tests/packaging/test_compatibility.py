"""The wheel with the versions of Python and of other packages that it says it works with.

The floor of every dependency and the newest of all are always tested; `make compat` tests the
whole matrix. Pythons are those that are called python3.12 and so on where PATH looks.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from environments import (
    OLDEST_OF_PYTHON,
    find_python,
    make_environment,
    oldest_runtime,
    this_python,
)
from packaging.requirements import Requirement
from packaging.version import Version

TESTS = Path(__file__).parents[1]
CHECK = Path(__file__).with_name("compatibility_check.py")

RUNTIMES = {  # every minor version, spread over those of NumPy; 1.17 and 1.18 want NumPy 1
    "1.17": "1.26",
    "1.18": "1.26",
    "1.19": "2.0",
    "1.20": "2.1",
    "1.21": "2.2",
    "1.22": "2.3",
    "1.23.0": "2.4",
    "1.23.1": "1.26",
    "1.23.2": "2.0",
    "1.24": "2.1",
    "1.25": "2.2",
    "1.26": "2.3",
    "1.27": "2.4",
    "1.28": "1.26",
    "1.29": "2.0",
    "1.30": "2.1",
    "1.31": "2.2",
}


def floors() -> list[str]:
    """Return the lowest version that pyproject.toml allows of every dependency."""
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["project"]
    dependencies = [*project["dependencies"], *project["optional-dependencies"]["cpu"]]
    return [dependency.replace(">=", "==") for dependency in dependencies]


def matrix() -> list:
    """Return Python and requirements of each environment."""
    here = this_python()
    always = {"floors": (here, floors()), "newest": (here, [])}
    full = {
        f"onnxruntime {runtime}, NumPy {numpy}": (
            here,
            [f"onnxruntime=={runtime}.*", f"numpy=={numpy}.*"],
        )
        for runtime, numpy in RUNTIMES.items()
    }
    for python, (runtime, numpy) in OLDEST_OF_PYTHON.items():
        if python == here:
            continue
        oldest = oldest_runtime(python)
        full[f"Python {python}, onnxruntime {runtime}, NumPy {numpy}"] = (python, oldest)
        full[f"Python {python}, newest"] = (python, [])
    return [
        *(pytest.param(*row, id=name) for name, row in always.items()),
        *(pytest.param(*row, id=name, marks=pytest.mark.compat) for name, row in full.items()),
    ]


@pytest.mark.parametrize(("version", "requirements"), matrix())
def test_works_with(version, requirements, wheel, tmp_path):
    python = find_python(version)
    inside = make_environment(python, tmp_path / "venv", [f"{wheel}[cpu]", *requirements])
    done = subprocess.run(
        [inside, CHECK],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.fspath(TESTS)},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    versions = json.loads(done.stdout.splitlines()[-1])
    print(versions)
    for requirement in map(Requirement, requirements):
        assert versions[requirement.name] in requirement.specifier
    has_regions = Version(versions["onnxruntime"]) >= Version("1.23.1")
    with_regions = "OrtSparseExecutionProvider" if has_regions else "CPUExecutionProvider"
    assert versions["regions"] == {"all": [with_regions], "off": ["CPUExecutionProvider"]}
