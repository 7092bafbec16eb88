"""Asking ONNX Runtime, in a process of its own, whether it takes a model."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import onnx
from google.protobuf.message import EncodeError

from .dependencies import import_onnxruntime
from .errors import InvalidModelError, MissingDependencyError, UnsupportedModelError

__all__ = ["check_with_onnxruntime", "prepare", "reason_of", "work"]

_MODEL = "model.onnx"

_LONGEST_MESSAGE = 4000
_LONGEST_REASON = 300

_NOISE = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : "
    r"|^Load model from \S+ failed: ?"
    r"|^/\S+:\d+ .*?\([^()]*\)(?: const)? "  # the place in its source
    r"|^\S+\.(?:cc|h):\d+ \w+ "
    r"|^(?:Invalid model|This is an invalid model|Fatal error)[.:] "
    r"|^Error: "
)

_PLACE = re.compile(r"/\S+\.(?:cc|h):\d+ .*?\([^()]*\)(?: const)? ")

_UNKNOWN = re.compile(
    r"is not a registered function/op"
    r"|Could not find an implementation"
    r"|Unsupported model IR version"
    r"|is under development"
    r"|bad_alloc|Failed to allocate memory"
)
"""What ONNX Runtime says of models that may be sound, and that it does not run."""


def check_with_onnxruntime(model: onnx.ModelProto) -> None:
    """Let ONNX Runtime load a model, unoptimized, in a process that may crash or fill the memory.

    Parameters
    ----------
    model : onnx.ModelProto
        With its weights; external data is not read.

    Raises
    ------
    InvalidModelError
        If ONNX Runtime refuses it; the message is its reason.
    UnsupportedModelError
        If it has operators or a version that ONNX Runtime does not know, takes more than 2 GiB, or
        ONNX Runtime crashed, or took more time or memory than it may.
    MissingDependencyError
        If there is no ONNX Runtime.
    """
    from .converters.isolation import run_isolated, temporary_folder

    try:
        data = model.SerializeToString()
    except (EncodeError, ValueError) as error:
        raise UnsupportedModelError(
            f"a model must take at most 2 GiB, but it cannot be serialized: {error}"
        ) from error
    with temporary_folder() as folder:
        (folder / _MODEL).write_bytes(data)
        run_isolated(__name__, folder, what="ONNX Runtime")


def prepare() -> None:
    """Import what `work` needs; called in the process that `isolation` starts."""
    import_onnxruntime()


def work(folder: Path) -> None:
    """Load the model of the folder."""
    from .runtime import register

    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with contextlib.suppress(MissingDependencyError):  # then our operator is an unknown one
        register(options)
    try:
        onnxruntime.InferenceSession(
            str(folder / _MODEL), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exceptions have no common base
        reason = reason_of(str(error)) or type(error).__name__
        kind = UnsupportedModelError if _UNKNOWN.search(reason) else InvalidModelError
        raise kind(reason) from error


def reason_of(message: str) -> str:
    """Return what a message of ONNX Runtime says, on one line, without what is about itself."""
    text = _PLACE.sub("", " ".join(message[:_LONGEST_MESSAGE].split()))
    while shorter := _NOISE.match(text):
        text = text[shorter.end() :]
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} ..."
