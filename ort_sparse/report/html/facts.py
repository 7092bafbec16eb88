"""What a model says of itself, and what can be said of its file."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import onnx

from ort_sparse.report.units import format_bytes

from .page import Origin

if TYPE_CHECKING:
    from ort_sparse.conversion import Conversion
    from ort_sparse.source import Source

__all__ = ["descriptions", "file_facts", "metadata", "operators", "tensors"]


def file_facts(
    origin: Origin, source: Source, conversion: Conversion, size: int
) -> list[tuple[str, str]]:
    """Return what a model says of itself, and what can be said of its file."""
    with origin.model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    facts = [
        ("file", origin.model.name),
        ("format", "ONNX" if source.onnx is not None else "TFLite; below it is shown as ONNX"),
        ("size", format_bytes(size)),
        ("SHA-256 of the file", digest),
    ]
    if conversion.signature is not None:
        facts.append(("signature", conversion.signature.name or "the only one"))
    model = source.onnx
    if model is not None:
        facts += [
            ("graph", model.graph.name),
            ("made by", f"{model.producer_name} {model.producer_version}".strip()),
            ("version of the format", str(model.ir_version)),
        ]
    opsets = (
        f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in conversion.dense.opset_import
    )
    return [*facts, ("opsets", ", ".join(opsets))]


def tensors(model: onnx.ModelProto) -> list[tuple[str, str, str]]:
    """Return the inputs and outputs of a model: which it is, its name, its type."""
    defaults = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in defaults]
    return [("input", value.name, _type(value)) for value in inputs] + [
        ("output", value.name, _type(value)) for value in model.graph.output
    ]


def _type(value: onnx.ValueInfoProto) -> str:
    if value.type.WhichOneof("value") != "tensor_type":
        return "no tensor"
    tensor = value.type.tensor_type
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    if not tensor.HasField("shape"):
        return f"{kind}, unknown shape"
    sizes = (
        str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?"
        for dim in tensor.shape.dim
    )
    return f"{kind}, {' x '.join(sizes) or 'a single number'}"


def metadata(source: Source) -> list[tuple[str, str]]:
    """Return the notes in the metadata of a model, which TFLite files do not have."""
    model = source.onnx
    return [] if model is None else [(entry.key, entry.value) for entry in model.metadata_props]


def descriptions(source: Source) -> list[str]:
    """Return what a model says of itself in words, a paragraph each."""
    model = source.onnx
    if model is None:
        return []
    paragraphs = [*model.doc_string.splitlines(), *model.graph.doc_string.splitlines()]
    return [paragraph for paragraph in paragraphs if paragraph.strip()]


def operators(model: onnx.ModelProto) -> list[tuple[str, int]]:
    """Return how often each operator occurs, the most frequent first."""
    names = (
        f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        for node in model.graph.node
    )
    return Counter(names).most_common()
