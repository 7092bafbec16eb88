"""What takes the bytes of an ONNX file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from ort_sparse.op import DOMAIN, INPUTS

__all__ = ["PASSES_ON", "StoredItem", "stored_in_onnx"]

PASSES_ON = {
    "Cast",
    "DequantizeLinear",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
}
"""Operators that stand between a stored constant and the operator that it is for."""

_SPARSE_KINDS = dict.fromkeys(INPUTS, "sparse biases and slopes") | {
    "values": "sparse values",
    "indices": "sparse indices",
    "indptr": "sparse indices",
}

_Readers = dict[str, tuple[onnx.NodeProto, int]]


@dataclass(frozen=True)
class StoredItem:
    """Something that takes bytes in a model file.

    Parameters
    ----------
    kind : str
        Such as "sparse values", or "dense Conv" for what a Conv reads.
    name : str
    bytes : int
    """

    kind: str
    name: str
    bytes: int


def stored_in_onnx(model: onnx.ModelProto) -> list[StoredItem]:
    """Return the constants of an ONNX model, its notes, and the shapes written in it.

    The rest of the file is the graph itself.
    """
    readers: _Readers = {}
    items = []
    for graph in _graphs(model.graph):
        for node in graph.node:
            for index, name in enumerate(node.input):
                readers.setdefault(name, (node, index))
    for graph in _graphs(model.graph):
        for tensor in graph.initializer:
            items.append(_constant(tensor.name, tensor, readers))
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
                items.append(_constant(node.output[0], node.attribute[0].t, readers))
        shapes = sum(value.ByteSize() for value in graph.value_info)
        items.append(StoredItem("shapes", graph.name, shapes))
    owners = [model, *_graphs(model.graph), *model.graph.node, *model.graph.value_info]
    items.append(StoredItem("notes", "metadata and comments", sum(map(_note_bytes, owners))))
    return [item for item in items if item.bytes]


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and its subgraphs."""
    yield graph
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        if attribute.HasField("g"):
            yield from _graphs(attribute.g)
        for subgraph in attribute.graphs:
            yield from _graphs(subgraph)


def _constant(name: str, tensor: onnx.TensorProto, readers: _Readers) -> StoredItem:
    return StoredItem(_kind(name, readers), name, tensor.ByteSize())


def _kind(name: str, readers: _Readers) -> str:
    """Say what a constant is for, by the first operator that computes with it."""
    for _ in range(len(PASSES_ON)):
        if name not in readers:
            return "dense constant that nothing reads"
        node, index = readers[name]
        if node.domain == DOMAIN:
            return _SPARSE_KINDS[INPUTS[index]]
        if node.op_type not in PASSES_ON or node.domain != "":
            break
        name = node.output[0]
    return f"dense {node.op_type}"


def _note_bytes(owner: onnx.ModelProto | onnx.GraphProto | onnx.NodeProto) -> int:
    size: int = sum(entry.ByteSize() for entry in owner.metadata_props)
    return len(owner.doc_string) + size
