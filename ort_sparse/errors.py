"""The exceptions that users of ort_sparse see.

Every message names the thing (file, tensor, node, argument), the rule, and what was found.
"""

from __future__ import annotations

import re

__all__ = [
    "DownloadError",
    "InvalidArgumentError",
    "InvalidModelError",
    "MissingDependencyError",
    "OrtSparseError",
    "UnsupportedModelError",
    "VerificationError",
    "first_line",
    "quoted",
]

MAX_NAME = 60
"""Characters of a name that a message shows."""


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


def quoted(name: str) -> str:
    """Return a name in quotes for a message, cut in the middle to `MAX_NAME` characters.

    The TensorFlow converter joins the names of all that it fused, so that a tensor's name may
    have hundreds of characters.
    """
    return repr(_cut(name))


def first_line(error: Exception) -> str:
    """Return the first line of another library's error, its long names cut as by `quoted`."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(rf"\S{{{MAX_NAME + 1},}}", lambda word: _cut(word[0]), line)


def _cut(name: str) -> str:
    if len(name) <= MAX_NAME:
        return name
    half = (MAX_NAME - 3) // 2
    return f"{name[: MAX_NAME - 3 - half]}...{name[-half:]}"
