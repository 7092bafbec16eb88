"""The walls between the rooms of the native library: who may include whom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "cython_kernels"

# From the ground up: a room may use the rooms in its list, and itself.
ROOMS = {
    "base": set(),
    "simd": {"base"},
    "microkernels": {"base", "simd"},
    "spmm": {"base", "microkernels"},
    "dense": {"base", "microkernels"},
    "chain": {"base", "spmm", "dense"},
    "op": {"base", "spmm"},
    "model": {"base"},
    "region": {"base", "microkernels", "spmm", "dense", "chain", "op", "model"},
    "claim": {"base", "op", "model", "region"},
    "drivers": {"base", "spmm", "dense"},
    "ort": {"core"},
    # Cython's face of the C headers, for `ort` and for the calls from Python.
    "core": {
        "base",
        "simd",
        "microkernels",
        "spmm",
        "dense",
        "op",
        "model",
        "region",
        "claim",
        "drivers",
    },
    "_native": {"core", "ort"},
}

# A header that only its own room may include: other rooms use `<room>/<room>.h`.
PRIVATE = {"spmm/layer.h": "spmm", "dense/conv_layer.h": "dense", "chain/plan.h": "chain"}

INCLUDE = re.compile(r'^\s*(?:#include|cdef extern from) "([^"]+)"', re.MULTILINE)
CIMPORT = re.compile(r"^\s*(?:from (\S+) )?cimport (\S+)", re.MULTILINE)
OUTSIDE = ("libc", "posix", "cpython")


def room_of(path: str) -> str:
    return path.split("/")[0].removesuffix(".pyx").removesuffix(".pxd")


def files() -> list[Path]:
    return [
        path for path in SOURCES.rglob("*.[chp]*") if path.suffix in (".c", ".h", ".pxd", ".pyx")
    ]


def uses_of(path: Path) -> set[str]:
    """Return what a file includes and cimports, as paths in the tree."""
    text = path.read_text()
    found = set(INCLUDE.findall(text))
    for source, name in CIMPORT.findall(text):
        module = source or name
        if module.split(".")[0] not in OUTSIDE:
            found.add(module.replace(".", "/") + ".pxd")
    return found


USES = {str(path.relative_to(SOURCES)): uses_of(path) for path in files()}


def test_rooms_are_those_that_are_there():
    assert {room_of(name) for name in USES} == set(ROOMS)


@pytest.mark.parametrize("name", sorted(USES))
def test_walls(name):
    room = room_of(name)
    for used in USES[name]:
        assert used in USES, f"{name} uses {used}, which is not there"
        other = room_of(used)
        assert other == room or other in ROOMS[room], f"{room} may not use {other}: {used}"
        assert PRIVATE.get(used, room) == room, f"{used} is private to its room"


def test_no_circles():
    """Not between files either; each is finished before those that use it."""
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path, name])}"
        if name not in done:
            for used in USES[name]:
                visit(used, (*path, name))
            done.add(name)

    for name in USES:
        visit(name, ())


def test_only_ort_knows_the_runtime_and_only_drivers_openmp():
    for path in files():
        text, name = path.read_text(), str(path.relative_to(SOURCES))
        if re.search(r"\bOrt[A-Z]\w+\*", text):
            assert room_of(name) in ("ort", "_native"), name
        if re.search("omp\\.h|#pragma omp|GOMP_", text):
            assert room_of(name) == "drivers", name


def test_no_file_is_long():
    lengths = {path: len(path.read_text().splitlines()) for path in files()}
    assert not {path: lines for path, lines in lengths.items() if lines > 500}
