"""What sessions of a model claim as regions, by the session that would claim it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .dependencies import import_onnxruntime
from .errors import InvalidArgumentError, InvalidModelError, MissingDependencyError, OrtSparseError
from .onnx_judge import reason_of
from .regions import RegionsReport, read_regions
from .runtime import check_regions, session, why_no_regions

if TYPE_CHECKING:
    import onnx
    import onnxruntime

__all__ = ["check_runtime", "examine_regions", "session_with_report"]


def examine_regions(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto, *, mode: str = "auto"
) -> RegionsReport:
    """Return what a session of a model claims as regions, on this machine and ONNX Runtime.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        An ONNX model, converted or not.
    mode : {"auto", "all"}
        As ``regions`` of `ort_sparse.register`.

    Raises
    ------
    InvalidArgumentError
        If ``mode`` is another word.
    InvalidModelError
        If ONNX Runtime cannot load the model.
    MissingDependencyError
        If no ONNX Runtime is installed that has regions; the message says why.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        return session_with_report(model, options, regions=mode)[1]
    except OrtSparseError:
        raise
    except Exception as error:  # onnxruntime's exceptions have no common base
        name = os.fspath(model) if isinstance(model, str | os.PathLike) else "model"
        raise InvalidModelError(
            f"{name}: onnxruntime cannot load it: {reason_of(str(error))}"
        ) from error


def check_runtime() -> None:
    """Raise MissingDependencyError, which says why, if this ONNX Runtime has no regions."""
    reason = why_no_regions()
    if reason is not None:
        raise MissingDependencyError(f"regions {reason}")


def session_with_report(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto,
    options: onnxruntime.SessionOptions,
    *,
    regions: str,
) -> tuple[onnxruntime.InferenceSession, RegionsReport]:
    """Create a session of a model, and say what it claimed.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
    options : onnxruntime.SessionOptions
        For this session only: they name a report that is gone afterwards.
    regions : {"auto", "all"}

    Raises
    ------
    InvalidArgumentError, MissingDependencyError
        As `examine_regions`.
    Exception
        What ONNX Runtime says if it cannot load the model.
    """
    check_regions(regions)
    if regions == "off":
        raise InvalidArgumentError("regions: must be auto or all to be examined, but is 'off'")
    check_runtime()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "regions.json")
        options.add_session_config_entry("ort_sparse.regions_report", os.fspath(path))
        created = session(model, options, regions=regions)
        if not path.exists():
            raise MissingDependencyError(
                f"regions: onnxruntime {import_onnxruntime().__version__} did not ask the library "
                "about this model"
            )
        return created, read_regions(path)
