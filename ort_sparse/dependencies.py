"""Imports of packages that an installation may lack."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import MissingDependencyError

__all__ = ["import_onnxruntime"]


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
