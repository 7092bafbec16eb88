"""The plain C application of examples/c, linked to the libonnxruntime of the installed wheel."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import onnxruntime

SOURCE = Path(__file__).parents[1] / "examples" / "c" / "run_model.c"


def build_c_host(folder: Path) -> Path:
    """Compile the program into this folder; return its path."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed, as for the installation"
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    target = folder / "run_model"
    (folder / "libonnxruntime.so.1").symlink_to(library)  # the name that the loader looks for
    subprocess.run(
        [
            compiler,
            "-g",
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Werror",
            SOURCE,
            library,
            f"-Wl,-rpath,{folder}",
            "-o",
            target,
        ],
        check=True,
    )
    return target
