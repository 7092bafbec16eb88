"""The wheel in fresh environments without a compiler: it converts, runs, and is compared."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from environments import (
    OLDEST_OF_PYTHON,
    find_python,
    make_environment,
    oldest_runtime,
    this_python,
)

from ort_sparse.kernels import microkernels, supported_isas

TESTS = Path(__file__).parents[1]
CHECK = TESTS / "packaging" / "compatibility_check.py"
MACHINE = os.uname().machine


def check(python: Path, folder: Path, environment: dict[str, str]) -> dict[str, object]:
    done = subprocess.run(
        [python, CHECK],
        check=False,
        capture_output=True,
        text=True,
        env=environment | {"PYTHONPATH": os.fspath(TESTS)},
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    print(done.stdout)  # shown by -rA
    found = json.loads(done.stdout)
    # As in a build by this machine's compiler: none is left out.
    assert found["isas"] == supported_isas()
    assert found["microkernels"] == len(microkernels())
    return found


def without_compiler(folder: Path) -> dict[str, str]:
    """Return an environment whose PATH has nothing but the virtual environment's programs."""
    return os.environ | {"PATH": os.fspath(folder / "bin")}


def test_the_wheel_needs_no_compiler(wheels, tmp_path):
    folder = tmp_path / "venv"
    bare = without_compiler(folder)
    inside = make_environment(find_python(this_python()), folder, [f"{wheels[MACHINE]}[cpu]"], bare)
    check(inside, tmp_path, bare)


@pytest.mark.complete
@pytest.mark.parametrize("runtime", ["oldest", "newest"])
@pytest.mark.parametrize("version", OLDEST_OF_PYTHON)
def test_every_python(version, runtime, wheels, tmp_path):
    folder = tmp_path / "venv"
    bare = without_compiler(folder)
    requirements = oldest_runtime(version) if runtime == "oldest" else []
    wheel = f"{wheels[MACHINE]}[cpu]"
    inside = make_environment(find_python(version), folder, [wheel, *requirements], bare)
    found = check(inside, tmp_path, bare)
    assert str(found["python"]).startswith(f"{version}.")


@pytest.mark.complete
def test_the_source_distribution_builds(source_distribution, tmp_path):
    folder = tmp_path / "venv"
    inside = make_environment(find_python(this_python()), folder, [f"{source_distribution}[cpu]"])
    check(inside, tmp_path, dict(os.environ))
