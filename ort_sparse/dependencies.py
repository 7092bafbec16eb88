"""Imports of what an installation may lack: other packages, and native code that loads here."""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
from pathlib import Path
from typing import Any

from .errors import MissingDependencyError

__all__ = ["import_onnxruntime", "why_not_loaded"]

MACHINES = {62: "x86_64", 183: "aarch64"}
"""What ELF files say of the machine that they are for; see e_machine in elf.h."""


def import_onnxruntime() -> Any:
    """Import and return ONNX Runtime, whichever build of it is installed.

    It is no hard dependency: onnxruntime, onnxruntime-gpu, onnxruntime-openvino and others put
    their files into the same folder, so that installing one over another breaks both.

    Raises
    ------
    MissingDependencyError
        If there is none.
    """
    try:
        module = importlib.import_module("onnxruntime")
        if not hasattr(module, "InferenceSession"):  # a folder that an uninstalled build left
            raise ImportError(f"{list(module.__path__)} holds no ONNX Runtime")
    except ImportError as error:
        raise MissingDependencyError(
            f"running models needs ONNX Runtime, which cannot be imported ({error}); "
            'pip install "ort_sparse[cpu]", or a build of it for your hardware, such as '
            "onnxruntime-openvino"
        ) from error
    return module


def why_not_loaded(path: str | os.PathLike[str]) -> str | None:
    """Return why this process cannot load a native library, or None if it can.

    The loader says of a library for another machine that there is no such file.
    """
    try:
        with Path(path).open("rb") as file:
            header = file.read(20)
    except OSError as error:
        return f"{path}: cannot be read: {error}"
    machine = MACHINES.get(int.from_bytes(header[18:20], "little"))
    if header[:4] != b"\x7fELF":
        return f"{path}: must be a shared library, but is not"
    if machine != platform.machine():
        return f"{path}: is built for {machine or 'another machine'}, but this is {_here()}"
    try:
        ctypes.CDLL(os.fspath(path))
    except OSError as error:
        return (
            f"{path}: cannot be loaded: {error}; the wheels of ort_sparse need Linux with glibc "
            f"2.28 or later, and this is {_here()}"
        )
    return None


def _here() -> str:
    return f"{platform.system()} on {platform.machine()} with {' '.join(platform.libc_ver())}"
