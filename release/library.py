"""The library for applications without Python: that of the wheel, in an archive for CMake."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from .archive import write_archive
from .machines import PROJECT, Machine

TEMPLATES = Path(__file__).parent / "libort_sparse"
EXAMPLE = PROJECT / "examples" / "c"
CMAKE_FILES = ("ort_sparse-config.cmake", "ort_sparse-config-version.cmake")


def write_library(machine: Machine, wheel: Path, folder: Path) -> Path:
    """Write the archive of the library in a wheel; return its path."""
    version = wheel.name.split("-")[1]
    root = folder / f"libort_sparse-{version}-linux-{machine.name}"
    (root / "lib").mkdir(parents=True)
    library = zipfile.ZipFile(wheel).read("ort_sparse/lib/libort_sparse.so")
    (root / "lib" / "libort_sparse.so").write_bytes(library)
    shutil.copy(PROJECT / "LICENSE", root)
    facts = {"@VERSION@": version, "@MACHINE@": machine.name}
    _fill(TEMPLATES / "README.md", root / "README.md", facts)
    for name in CMAKE_FILES:
        _fill(TEMPLATES / name, root / "lib" / "cmake" / "ort_sparse" / name, facts)
    _copy(TEMPLATES / "ort_sparse.h", root / "include")
    for name in ("run_model.c", "CMakeLists.txt"):
        _copy(EXAMPLE / name, root / "examples" / "c")
    # In place of ONNX Runtime's header, for those who have only its library.
    _copy(PROJECT / "cython_kernels" / "ort" / "onnxruntime_abi.h", root / "examples" / "c")
    return write_archive(root, folder / f"{root.name}.tar.gz")


def _copy(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, folder)


def _fill(template: Path, path: Path, facts: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = template.read_text()
    for name, value in facts.items():
        text = text.replace(name, value)
    path.write_text(text)
