"""The exceptions that users of ort_sparse see.

Every message names the thing (file, tensor, node, argument), the rule, and what was found.
"""

from __future__ import annotations

__all__ = [
    "DownloadError",
    "InvalidArgumentError",
    "InvalidModelError",
    "MissingDependencyError",
    "OrtSparseError",
    "UnsupportedModelError",
    "VerificationError",
]


class OrtSparseError(Exception):
    """Base of every error that ort_sparse raises on purpose."""


class InvalidArgumentError(OrtSparseError, ValueError):
    """An argument, array or option breaks a rule of the function it was given to."""


class InvalidModelError(OrtSparseError):
    """A model file is damaged or contradicts itself."""


class UnsupportedModelError(OrtSparseError):
    """A model is sound, but contains something that cannot be converted or run."""


class VerificationError(OrtSparseError):
    """Two models that should agree give different numbers."""


class MissingDependencyError(OrtSparseError, ImportError):
    """An optional package is needed and not installed; the message says which extra brings it."""


class DownloadError(OrtSparseError):
    """A file cannot be downloaded, or is not what it should be."""
