"""What a converted model says of itself, to people who find it later and without our library.

ONNX Runtime alone says only ``ort_sparse:SparseConv1x1(-1) is not a registered function/op``.
Viewers show a model's ``doc_string`` and metadata, and so does ``strings``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx

from . import __version__

if TYPE_CHECKING:
    from .converters.passes import LayerReport

__all__ = ["HOW_TO_RUN", "add_notes", "is_marked", "mark", "remove_notes"]

HOW_TO_RUN = (
    "This model has operators ort_sparse:SparseConv1x1. ONNX Runtime runs them once the library of "
    "the Python package ort_sparse (Sparse convolutions for ONNX Runtime) is registered: in Python "
    "options.register_custom_ops_library(ort_sparse.get_library_path()), in other languages the "
    "call of the same name with the path of libort_sparse.so. Without it a session says "
    "'ort_sparse:SparseConv1x1(-1) is not a registered function/op'. The command "
    "`ort-sparse densify MODEL -o dense.onnx` makes a model of standard operators of it."
)

_PREFIX = "ort_sparse."
_VERSION = f"{_PREFIX}version"


def add_notes(model: onnx.ModelProto, layers: Sequence[LayerReport], chosen_by: str) -> None:
    """Say in a model what was done to it and what it needs, in place of earlier such notes.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed in place: metadata, and a paragraph at the end of the ``doc_string``.
    layers : sequence of LayerReport
    chosen_by : str
        By what it was decided which layers become sparse.
    """
    remove_notes(model)
    sparse = sum(layer.is_sparse for layer in layers)
    mark(model)
    for key, value in {
        "choice": chosen_by,
        "sparse_layers": f"{sparse} of {len(layers)}",
        "how_to_run": HOW_TO_RUN,
    }.items():
        model.metadata_props.add(key=_PREFIX + key, value=value)
    model.doc_string = "\n\n".join(part for part in (model.doc_string, HOW_TO_RUN) if part)


def mark(model: onnx.ModelProto) -> None:
    """Say in the metadata of a model, changed in place, that ort_sparse made it."""
    if not is_marked(model):
        model.metadata_props.add(key=_VERSION, value=__version__)


def is_marked(model: onnx.ModelProto) -> bool:
    """Tell whether ort_sparse made a model."""
    return any(entry.key == _VERSION for entry in model.metadata_props)


def remove_notes(model: onnx.ModelProto) -> None:
    """Take away what `add_notes` wrote, from a model that is dense again."""
    kept = [entry for entry in model.metadata_props if not entry.key.startswith(_PREFIX)]
    ours = {entry.value for entry in model.metadata_props if entry.key == f"{_PREFIX}how_to_run"}
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    for note in filter(model.doc_string.endswith, ours):  # of this version or another
        model.doc_string = model.doc_string.removesuffix(note).removesuffix("\n\n")
