"""Imports of the optional packages that the TFLite front end needs."""

from __future__ import annotations

import importlib
from typing import Any

from ort_sparse.errors import MissingDependencyError

__all__ = ["require", "tflite_schema"]


def require(module: str) -> Any:
    """Import ``module``, which the extra ``tflite`` brings.

    Raises
    ------
    MissingDependencyError
        If it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"TFLite models need {module}, which cannot be imported ({error}); "
            'pip install "ort_sparse[tflite]"'
        ) from error


def tflite_schema() -> Any:
    """Return the module of classes generated from TensorFlow Lite's schema.fbs."""
    return require("ai_edge_litert.schema_py_generated")
