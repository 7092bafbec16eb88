"""Running converted models: the operator library and sessions that have it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .dependencies import import_onnxruntime, why_not_loaded
from .errors import InvalidArgumentError, MissingDependencyError

if TYPE_CHECKING:
    import onnx
    import onnxruntime

__all__ = ["THREADING", "get_library_path", "register", "session"]

THREADING = ("session", "openmp")
"""Where a node's work runs: on the session's own thread pool, or on an OpenMP team."""


def get_library_path() -> str:
    """Return the path of ``libort_sparse``, for ``register_custom_ops_library``.

    The library exports ``RegisterCustomOps``, needs no Python, and serves ONNX Runtime
    applications in every language.

    Raises
    ------
    MissingDependencyError
        If the library is not there, because ort_sparse was never built.
    """
    path = Path(__file__).parent / "lib" / "libort_sparse.so"
    if not path.is_file():
        raise MissingDependencyError(
            f"{path}: the native library is missing; install ort_sparse with "
            "`pip install .`, which builds it"
        )
    return os.fspath(path)


def register(options: onnxruntime.SessionOptions, *, threading: str = "session") -> None:
    """Make ``SparseConv1x1`` known to the sessions that these options create.

    Doing so again does nothing.

    Parameters
    ----------
    options : onnxruntime.SessionOptions
    threading : {"session", "openmp"}
        ``"session"`` runs on the session's own threads. ``"openmp"`` runs on an OpenMP team,
        honours ``OMP_NUM_THREADS``, and only pays where the session's threads do not spin
        (``session.intra_op.allow_spinning`` set to ``0``).

    Raises
    ------
    InvalidArgumentError
        If ``threading`` is another word, or not the one of an earlier registration.
    MissingDependencyError
        If the library cannot be loaded here, this ONNX Runtime is too old for it, or there is no
        OpenMP, which needs ``libgomp.so.1``.
    """
    if threading not in THREADING:
        raise InvalidArgumentError(
            f"threading: must be one of {', '.join(THREADING)}, but is {threading!r}"
        )
    registered = _config_entry(options, "ort_sparse.registered")  # by the library
    if registered == threading:
        return
    if registered is not None:
        raise InvalidArgumentError(
            f"threading: must stay {registered!r}, with which these session options are "
            f"registered, but is {threading!r}"
        )
    options.add_session_config_entry("ort_sparse.threading", threading)
    path = get_library_path()
    try:
        options.register_custom_ops_library(path)
    except Exception as error:  # the classes of ONNX Runtime have no other base
        raise MissingDependencyError(why_not_loaded(path) or str(error)) from error


def _config_entry(options: onnxruntime.SessionOptions, key: str) -> str | None:
    try:
        value: str = options.get_session_config_entry(key)
    except RuntimeError:  # how ORT says that there is none
        return None
    return value


def session(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto,
    options: onnxruntime.SessionOptions | None = None,
    *,
    threading: str = "session",
    **arguments: Any,
) -> onnxruntime.InferenceSession:
    """Create an ordinary ONNX Runtime session that knows ``SparseConv1x1``.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
    options : onnxruntime.SessionOptions, optional
        May serve several sessions; the operator is registered with them, see `register`.
    threading : {"session", "openmp"}
        See `register`.
    **arguments
        Passed on to ``onnxruntime.InferenceSession``; the provider is the CPU by default.

    Raises
    ------
    MissingDependencyError
        If no ONNX Runtime is installed.
    """
    onnxruntime = import_onnxruntime()
    if options is None:
        options = onnxruntime.SessionOptions()
    register(options, threading=threading)
    if isinstance(model, os.PathLike):
        model = os.fspath(model)
    if not isinstance(model, str | bytes):
        model = model.SerializeToString()
    arguments.setdefault("providers", ["CPUExecutionProvider"])
    return onnxruntime.InferenceSession(model, options, **arguments)
