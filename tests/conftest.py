"""Fixtures that every room of the tests shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """Folder of the real TFLite files, which lies beside the project and is not part of it."""
    folder = PROJECT.parent / "shared" / "models"
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{folder} is absent; CI must have it")
        pytest.skip(f"{folder} is absent")
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the files that tests read; each lies beside the script that made it."""
    return PROJECT / "tests" / "data"
