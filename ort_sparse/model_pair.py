"""Both forms of a model that a user has: dense and sparse, whichever was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from .conversion import convert_and_report, densify
from .measure.network import ModelPair
from .op import DOMAIN
from .options import ConvertOptions
from .source import ModelSource, read_source

__all__ = ["model_pair"]


def model_pair(
    source: ModelSource,
    *,
    layers: Literal["auto", "all"] = "auto",
    signature: str | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> ModelPair:
    """Return the two forms of a model.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto
        A model with SparseConv1x1 is made dense. Any other is converted, and its dense form is
        the model as it was, TFLite files as tf2onnx translates them.
    layers : {"auto", "all"}
        Which layers to convert, as for `ort_sparse.convert`.
    signature : str, optional
        Signature of a TFLite model, as for `ort_sparse.convert`.
    progress : callable
        Called with a few words before each stage of the work.

    Raises
    ------
    InvalidArgumentError, InvalidModelError, UnsupportedModelError, MissingDependencyError
        As `ort_sparse.convert`.
    """
    found = read_source(source)
    if found.onnx is not None and any(node.domain == DOMAIN for node in found.onnx.graph.node):
        return ModelPair(densify(found.onnx), found.onnx)
    options = ConvertOptions(layers=layers, signature=signature, verify=False)
    conversion = convert_and_report(source, options, progress=progress)
    return ModelPair(conversion.dense, conversion.model, plain=found.onnx is not None)
