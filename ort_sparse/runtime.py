"""Running models: the native library and sessions that have it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .dependencies import import_onnxruntime, why_not_loaded
from .errors import InvalidArgumentError, MissingDependencyError

if TYPE_CHECKING:
    import onnx
    import onnxruntime

__all__ = [
    "REGION_MODES",
    "THREADING",
    "check_regions",
    "get_library_path",
    "register",
    "session",
    "why_no_regions",
]

THREADING = ("session", "openmp")
"""Where a node's work runs: on the session's own thread pool, or on an OpenMP team."""

REGION_MODES = ("auto", "all", "off")
"""Which regions of a model a session claims: what is predicted to run faster, whatever can be
claimed, or none."""

REGIONS_SINCE = (1, 23, 1)
"""The first ONNX Runtime in which an execution provider from outside works on the CPU."""

_ONLY_CPU = {"AzureExecutionProvider", "CPUExecutionProvider", "OrtSparseExecutionProvider"}
"""What a build of ONNX Runtime without other hardware lists: the second is none."""


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


def register(
    options: onnxruntime.SessionOptions, *, threading: str = "session", regions: str | None = None
) -> None:
    """Make ``SparseConv1x1`` and regions known to the sessions that these options create.

    Doing so again does nothing.

    Parameters
    ----------
    options : onnxruntime.SessionOptions
    threading : {"session", "openmp"}
        ``"session"`` runs on the session's own threads. ``"openmp"`` runs on an OpenMP team,
        honours ``OMP_NUM_THREADS``, and only pays where the session's threads do not spin
        (``session.intra_op.allow_spinning`` set to ``0``).
    regions : {"auto", "all", "off"}, optional
        What sessions claim as regions, where this ONNX Runtime allows regions at all:
        ``"auto"`` what is predicted to run faster, ``"all"`` whatever can be claimed, ``"off"``
        nothing. By default it stays what the environment variable ``ORT_SPARSE_REGIONS`` says, or
        else ``"auto"``. It sets the session configuration entry ``ort_sparse.regions``;
        docs/REGIONS.md has more.

    Raises
    ------
    InvalidArgumentError
        If ``threading`` or ``regions`` is another word, or not the one of an earlier registration.
    MissingDependencyError
        If the library cannot be loaded here, this ONNX Runtime is too old for it, or there is no
        OpenMP, which needs ``libgomp.so.1``.
    """
    if threading not in THREADING:
        raise InvalidArgumentError(
            f"threading: must be one of {', '.join(THREADING)}, but is {threading!r}"
        )
    if regions is not None:
        check_regions(regions)
    registered = _config_entry(options, "ort_sparse.registered")  # by the library
    if registered is not None:
        _check_unchanged("threading", threading, registered)
        if regions is not None:
            _check_unchanged("regions", regions, _config_entry(options, "ort_sparse.regions"))
        return
    options.add_session_config_entry("ort_sparse.threading", threading)
    if regions is not None:
        options.add_session_config_entry("ort_sparse.regions", regions)
    path = get_library_path()
    try:
        options.register_custom_ops_library(path)
    except Exception as error:  # the classes of ONNX Runtime have no other base
        reason = why_not_loaded(path)
        is_setting = type(error).__name__ == "InvalidArgument" and "libgomp" not in str(error)
        if reason is None and is_setting:
            raise InvalidArgumentError(str(error)) from error
        raise MissingDependencyError(reason or str(error)) from error


def check_regions(regions: str) -> None:
    """Raise InvalidArgumentError unless this is one of `REGION_MODES`."""
    if regions not in REGION_MODES:
        raise InvalidArgumentError(
            f"regions: must be one of {', '.join(REGION_MODES)}, but is {regions!r}"
        )


def why_no_regions() -> str | None:
    """Return why sessions of this ONNX Runtime have no regions by themselves, or None if they do.

    Raises
    ------
    MissingDependencyError
        If no ONNX Runtime is installed.
    """
    onnxruntime = import_onnxruntime()
    version: str = onnxruntime.__version__
    if _numbers(version) < REGIONS_SINCE:
        needed = ".".join(map(str, REGIONS_SINCE))
        return f"need onnxruntime {needed} or later, but this is {version}"
    others = sorted(set(onnxruntime.get_available_providers()) - _ONLY_CPU)
    if others:
        return (
            f"need a build of onnxruntime for the CPU alone unless their provider is appended "
            f"explicitly, but this one has {', '.join(others)}"
        )
    return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: 1, 23 and 1 of ``1.23.1.dev7``."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _check_unchanged(name: str, value: str, registered: str | None) -> None:
    if value != registered:
        was = "unset" if registered is None else repr(registered)
        raise InvalidArgumentError(
            f"{name}: must stay {was}, with which these session options are registered, but is "
            f"{value!r}"
        )


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
    regions: str | None = None,
    **arguments: Any,
) -> onnxruntime.InferenceSession:
    """Create an ordinary ONNX Runtime session that knows ``SparseConv1x1`` and regions.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
    options : onnxruntime.SessionOptions, optional
        May serve several sessions; the operator is registered with them, see `register`.
    threading : {"session", "openmp"}
        See `register`.
    regions : {"auto", "all", "off"}, optional
        See `register`. A list of ``providers`` switches regions off, since ONNX Runtime then takes
        no other provider.
    **arguments
        Passed on to ``onnxruntime.InferenceSession``. By default a model runs on the CPU, in
        builds for other hardware too.

    Raises
    ------
    MissingDependencyError
        If no ONNX Runtime is installed.
    """
    onnxruntime = import_onnxruntime()
    if options is None:
        options = onnxruntime.SessionOptions()
        if arguments.get("providers") and regions is None:
            regions = "off"  # as they would be: ONNX Runtime would only warn besides
    register(options, threading=threading, regions=regions)
    if isinstance(model, os.PathLike):
        model = os.fspath(model)
    if not isinstance(model, str | bytes):
        model = model.SerializeToString()
    if why_no_regions() is not None:  # where there are regions, a list would switch them off
        arguments.setdefault("providers", ["CPUExecutionProvider"])
    return onnxruntime.InferenceSession(model, options, **arguments)
