"""What sessions of a model claim as regions, by the session that would claim it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .dependencies import import_onnxruntime
from .errors import InvalidModelError, OrtSparseError, UnsupportedModelError
from .onnx_judge import reason_of
from .regions import RegionsReport, read_regions
from .runtime import check_regions, session, why_no_regions

if TYPE_CHECKING:
    import onnx
    import onnxruntime

__all__ = ["examine_regions", "session_with_report"]


def examine_regions(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto, *, mode: str = "auto"
) -> RegionsReport:
    """Return what a session of a model claims as regions, on this machine and ONNX Runtime.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        An ONNX model, converted or not.
    mode : {"auto", "all", "off"}
        As ``regions`` of `ort_sparse.register`.

    Raises
    ------
    InvalidArgumentError
        If ``mode`` is another word.
    InvalidModelError
        If ONNX Runtime cannot load the model.
    UnsupportedModelError
        If this ONNX Runtime has no regions; the message says why.
    MissingDependencyError
        If no ONNX Runtime is installed.
    """
    _, report = session_with_report(model, regions=mode)
    return report


def session_with_report(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto,
    options: onnxruntime.SessionOptions | None = None,
    *,
    regions: str = "auto",
) -> tuple[onnxruntime.InferenceSession, RegionsReport]:
    """Create a session of a model, and say what it claimed; `examine_regions` has the errors.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
    options : onnxruntime.SessionOptions, optional
        For this session only: they name a report that is gone afterwards.
    regions : {"auto", "all", "off"}
    """
    check_regions(regions)
    onnxruntime = import_onnxruntime()
    reason = why_no_regions()
    if reason is not None:
        raise UnsupportedModelError(f"regions {reason}")
    if options is None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "regions.json")
        options.add_session_config_entry("ort_sparse.regions_report", os.fspath(path))
        try:
            created = session(model, options, regions=regions)
        except OrtSparseError:
            raise
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise InvalidModelError(
                f"model: onnxruntime cannot load it: {reason_of(str(error))}"
            ) from error
        if not path.exists():
            raise UnsupportedModelError(
                f"regions: onnxruntime {onnxruntime.__version__} did not ask the library about "
                "this model"
            )
        return created, read_regions(path)
