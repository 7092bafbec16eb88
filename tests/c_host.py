"""The plain C application of examples/c, linked to the libonnxruntime of the installed wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import onnxruntime

PROJECT = Path(__file__).parents[1]
SOURCE = PROJECT / "examples" / "c" / "run_model.c"


def find_c_compiler() -> str:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed, as for the installation"
    return compiler


def host_flags() -> list[str]:
    """Return the flags with which the program builds; it finds our header, as ORT's is absent."""
    declarations = PROJECT / "cython_kernels" / "ort"
    return ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{os.fspath(declarations)}"]


def build_c_host(folder: Path) -> Path:
    """Compile the program into this folder; return its path."""
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    target = folder / "run_model"
    (folder / "libonnxruntime.so.1").symlink_to(library)  # the name that the loader looks for
    subprocess.run(
        [
            find_c_compiler(),
            "-g",
            *host_flags(),
            SOURCE,
            library,
            f"-Wl,-rpath,{folder}",
            "-o",
            target,
        ],
        check=True,
    )
    return target
