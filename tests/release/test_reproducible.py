"""Two builds of the same sources, in different folders, give the same bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.complete

PROJECT = Path(__file__).parents[2]
PYTHON = PROJECT / "build" / "release-tools" / "bin" / "python"


def test_another_build_gives_the_same_bytes(wheels, libraries, source_distribution, tmp_path):
    git = ["git", "-C", PROJECT]
    listing = ["ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run([*git, *listing], check=True, capture_output=True, text=True).stdout
    copy = tmp_path / "a folder of another name"
    for name in files.splitlines():
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, copy / name)  # with other times and permissions
    time = subprocess.run(
        [*git, "log", "-1", "--format=%ct"], check=True, capture_output=True, text=True
    ).stdout.strip()
    subprocess.run(
        [PYTHON, "-m", "release", "--output", tmp_path / "dist"],
        check=True,
        cwd=copy,
        env=os.environ | {"SOURCE_DATE_EPOCH": time},
    )
    first = [*wheels.values(), *libraries.values(), source_distribution]
    digests = {path.name: digest(path) for path in first}
    assert {path.name: digest(path) for path in (tmp_path / "dist").iterdir()} == digests
    for name, found in digests.items():
        print(found, name)  # shown by -rA


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
