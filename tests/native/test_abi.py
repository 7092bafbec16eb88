"""Our declaration of ONNX Runtime's C ABI against the real layout; needs only a C compiler."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from c_host import find_c_compiler

PROJECT = Path(__file__).parents[2]
HEADER = PROJECT / "cython_kernels" / "ort" / "onnxruntime_abi.h"


@pytest.fixture(scope="module")
def slots(tmp_path_factory) -> dict[str, int]:
    """Slots of OrtApi's functions as test_abi.c knows them, after the program has checked them."""
    program = tmp_path_factory.mktemp("abi") / "test_abi"
    source = PROJECT / "tests" / "native" / "test_abi.c"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{PROJECT / 'cython_kernels'}"]
    subprocess.run([find_c_compiler(), *flags, source, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pairs = (line.split() for line in done.stdout.splitlines())
    return {name: int(slot) for slot, name in pairs}


def members(struct: str) -> dict[str, int | None]:
    """Members of a struct of the header that are functions, and the slots in their comments."""
    text = HEADER.read_text()
    found = re.search(rf"struct {struct} {{\n(.*?)\n}}", text, flags=re.DOTALL)
    assert found
    members = {}
    for declaration in re.split(r"\n(?=    \w)", found[1]):
        name = re.match(r"\s*[\w* ]+\(\*(\w+)\)", declaration)
        if name:
            number = re.search(r"/\* (\d+) \*/", declaration)
            members[name[1]] = int(number[1]) if number else None
    return members


def test_every_function_of_the_api_is_checked(slots):
    assert set(members("OrtApi")) == set(slots)


def test_comments_tell_the_slots(slots):
    assert members("OrtApi") == slots
