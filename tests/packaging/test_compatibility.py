"""The wheel with the versions of Python and of other packages that it says it works with.

The floor of every dependency and the newest of all are always tested; `make compat` tests the
whole matrix. Pythons are those that are called python3.12 and so on where PATH looks.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

TESTS = Path(__file__).parents[1]
CHECK = Path(__file__).with_name("compatibility_check.py")

RUNTIMES = {  # every second minor version, spread over those of NumPy; 1.17 and 1.18 want NumPy 1
    "1.17": "1.26",
    "1.19": "2.0",
    "1.21": "2.1",
    "1.23": "2.2",
    "1.25": "2.3",
    "1.27": "2.4",
    "1.29": "1.26",
    "1.31": "2.0",
}
OLDEST_OF_PYTHON = {  # the oldest onnxruntime that has a wheel
    "3.12": ("1.17", "1.26"),
    "3.13": ("1.20", "2.1"),
    "3.14": ("1.24", "2.3"),
}


def this_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


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
        oldest = [f"onnxruntime=={runtime}.*", f"numpy=={numpy}.*"]
        full[f"Python {python}, onnxruntime {runtime}, NumPy {numpy}"] = (python, oldest)
        full[f"Python {python}, newest"] = (python, [])
    return [
        *(pytest.param(*row, id=name) for name, row in always.items()),
        *(pytest.param(*row, id=name, marks=pytest.mark.compat) for name, row in full.items()),
    ]


def find_python(version: str) -> str:
    if version == this_python():
        return sys.executable
    path = shutil.which(f"python{version}")
    # pyenv puts programs on PATH that only say that this version is not the chosen one.
    if path is None or subprocess.run([path, "-V"], check=False, capture_output=True).returncode:
        pytest.skip(f"python{version} is not on PATH")
    return path


@pytest.fixture(scope="session")
def wheel_for(wheel, source_distribution, tmp_path_factory):
    """Build the wheel for a Python from the source distribution, once."""
    built = {sys.executable: wheel}

    def build(python: str) -> Path:
        if python not in built:
            folder = tmp_path_factory.mktemp("wheel")
            command = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
            subprocess.run([*command, source_distribution], check=True)
            (built[python],) = folder.glob("*.whl")
        return built[python]

    return build


@pytest.mark.parametrize(("version", "requirements"), matrix())
def test_works_with(version, requirements, wheel_for, tmp_path):
    python = find_python(version)
    environment = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", "--without-pip", environment], check=True)
    inside = environment / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        inside,
        "install",
        "--quiet",
        "--no-compile",
    ]
    subprocess.run([*install, f"{wheel_for(python)}[cpu]", *requirements], check=True)
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
