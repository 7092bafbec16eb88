"""Sparse convolutions for ONNX Runtime: pruned networks that run faster.

Names are loaded when first used, so that ``import ort_sparse`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import (
    DownloadError,
    InvalidArgumentError,
    InvalidModelError,
    MissingDependencyError,
    OrtSparseError,
    UnsupportedModelError,
    VerificationError,
)

if TYPE_CHECKING:
    from .bcsr import BlockCSR
    from .conversion import convert
    from .op import register_schema
    from .runtime import get_library_path, register, session
    from .verification import verify

__version__ = "0.2.0"

__all__ = [
    "BlockCSR",
    "DownloadError",
    "InvalidArgumentError",
    "InvalidModelError",
    "MissingDependencyError",
    "OrtSparseError",
    "UnsupportedModelError",
    "VerificationError",
    "__version__",
    "convert",
    "get_library_path",
    "register",
    "register_schema",
    "session",
    "verify",
]

_HOMES = {
    "BlockCSR": "bcsr",
    "convert": "conversion",
    "get_library_path": "runtime",
    "register": "runtime",
    "register_schema": "op",
    "session": "runtime",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
